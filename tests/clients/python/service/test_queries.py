"""Queries."""

from azure.iot.hub.models import ExportImportDevice, QuerySpecification

from contract import fact, unique
from hub import OnHub

AREA = "queries"


class Queries(OnHub):
    def batch(self, count):
        """Devices whose tag `batch` is theirs alone."""
        name = unique("batch")
        items = [
            ExportImportDevice(id=f"{name}-{n}", import_mode="create", status="enabled", tags={"batch": name, "n": n})
            for n in range(count)
        ]
        self.assertTrue(self.hub.bulk_create_or_update_devices(items).is_successful)
        return name

    def ask(self, query, token=None, size=None):
        return self.hub.query_iot_hub(QuerySpecification(query=query), token, size)

    @fact(
        area=AREA,
        call="query_iot_hub(…, 2)",
        service="pages by x-ms-max-item-count and ends without a continuation",
        source="LAB; REC:QueryTests",
    )
    def test_pages(self):
        query = f"SELECT * FROM devices WHERE tags.batch = '{self.batch(5)}'"
        pages = [self.ask(query, None, 2)]
        while pages[-1].continuation_token:
            pages.append(self.ask(query, pages[-1].continuation_token, 2))
        self.assertEqual([len(page.items) for page in pages], [2, 2, 1])
        self.assertEqual(len({twin.device_id for page in pages for twin in page.items}), 5)

    @fact(
        area=AREA,
        call="query_iot_hub() by device id",
        service="answers twins, as x-ms-item-type says",
        source="DOC query-language; LAB",
    )
    def test_by_id(self):
        name = self.batch(1)
        found = self.ask(f"SELECT * FROM devices WHERE deviceId = '{name}-0'")
        self.assertEqual((found.type.lower(), [twin.tags["batch"] for twin in found.items]), ("twin", [name]))

    @fact(
        area=AREA, call="query_iot_hub() without matches", service="answers an empty page", source="DOC query-language"
    )
    def test_empty(self):
        found = self.ask(f"SELECT * FROM devices WHERE tags.batch = '{unique('none')}'")
        self.assertEqual((found.items, found.continuation_token), ([], None))

    @fact(
        area=AREA,
        call="query_iot_hub() of modules",
        service="answers module twins from devices.modules",
        source="DOC query-language",
    )
    def test_modules(self):
        device = self.device()
        self.hub.create_module_with_sas(device, "camera", "", "", "")
        found = self.ask(f"SELECT * FROM devices.modules WHERE deviceId = '{device}'")
        self.assertEqual([twin.module_id for twin in found.items], ["camera"])

    @fact(area=AREA, call="query_iot_hub() of nonsense", service="answers 400 ArgumentInvalid", source="TF")
    def test_nonsense(self):
        self.assert_refused(400, "ArgumentInvalid", self.ask, "SELECT FROM WHERE")
