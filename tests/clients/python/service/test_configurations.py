"""Automatic configurations."""

from azure.iot.hub import IoTHubConfigurationManager
from azure.iot.hub.models import Configuration, ConfigurationContent, ConfigurationQueriesTestInput

from contract import fact, unique
from hub import HUB, OnHub

AREA = "configurations"


def fresh(**members):
    content = ConfigurationContent(device_content={"properties.desired.rate": 5})
    members = {"target_condition": "tags.site = 'nowhere'", "priority": 10, "content": content, **members}
    return Configuration(id=unique("configuration"), schema_version="1.0", labels={"made": "here"}, **members)


class Configurations(OnHub):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.configurations = IoTHubConfigurationManager.from_connection_string(HUB["connectionString"])

    def made(self):
        return self.configurations.create_configuration(fresh())

    @fact(area=AREA, call="create_configuration()", service="answers it with an ETag", source="SWAGGER; DOC")
    def test_create(self):
        configuration = self.made()
        self.assertEqual((configuration.priority, configuration.labels), (10, {"made": "here"}))
        self.assertTrue(configuration.etag)

    @fact(
        area=AREA,
        call="create_configuration() of what is there",
        service="answers 409 ConfigurationAlreadyExists",
        source="TF §11.1",
    )
    def test_create_twice(self):
        self.assert_refused(409, "ConfigurationAlreadyExists", self.configurations.create_configuration, self.made())

    @fact(
        area=AREA,
        call="get_configuration() and get_configurations()",
        service="answer what was stored",
        source="SWAGGER",
    )
    def test_read(self):
        made = self.made()
        self.assertEqual(self.configurations.get_configuration(made.id).etag, made.etag)
        self.assertIn(made.id, [configuration.id for configuration in self.configurations.get_configurations()])

    @fact(
        area=AREA,
        call="update_configuration(quoted etag)",
        service="updates, and refuses a stale etag with 412",
        source="TF §11.1",
    )
    def test_update(self):
        made = self.made()
        etag, made.priority = f'"{made.etag}"', 20
        self.assertEqual(self.configurations.update_configuration(made, etag).priority, 20)
        self.assert_refused(412, "PreconditionFailed", self.configurations.update_configuration, made, etag)

    @fact(
        area=AREA,
        call="update_configuration(etag)",
        service="answers a misleading 409: the client does not quote",
        source="TF §11.1; PYHUB",
        difference="The Python service client does not quote a configuration's ETag: give it one with quotes.",
    )
    def test_update_unquoted(self):
        made = self.made()
        self.assert_refused(
            409, "ConfigurationAlreadyExists", self.configurations.update_configuration, made, made.etag
        )

    @fact(
        area=AREA,
        call="update_configuration('*') of the content",
        service="answers 200 and keeps the old content",
        source="TF",
    )
    def test_content(self):
        made = self.made()
        made.content = ConfigurationContent(device_content={"properties.desired.rate": 6})
        self.configurations.update_configuration(made, "*")
        kept = self.configurations.get_configuration(made.id).content.device_content
        self.assertEqual(kept, {"properties.desired.rate": 5})

    @fact(area=AREA, call="delete_configuration()", service='deletes by "*"', source="TF §11.1")
    def test_delete(self):
        made = self.made()
        self.configurations.delete_configuration(made.id)
        with self.assertRaises(Exception) as raised:
            self.configurations.get_configuration(made.id)
        self.assertEqual(raised.exception.response.status_code, 404)

    @fact(
        area=AREA, call="test_configuration_queries()", service="says what is wrong with a condition", source="SWAGGER"
    )
    def test_queries(self):
        good = ConfigurationQueriesTestInput(target_condition="tags.site = 'A'", custom_metric_queries={})
        self.assertFalse(self.configurations.test_configuration_queries(good).target_condition_error)
