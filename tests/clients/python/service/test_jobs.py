"""Import and export jobs."""

import json
import time

from azure.iot.hub import IoTHubJobManager
from azure.iot.hub.models import JobProperties

from contract import fact, unique
from hub import HUB, KEY, OTHER_KEY, OnHub
from storage import Container

AREA = "import and export jobs"
KEYS = {"type": "sas", "symmetricKey": {"primaryKey": KEY, "secondaryKey": OTHER_KEY}}
ENDED = ("completed", "failed", "cancelled")


class Jobs(OnHub):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jobs = IoTHubJobManager.from_connection_string(HUB["connectionString"])

    def run_job(self, **members):
        """A job, when it has ended."""
        job = self.jobs.create_import_export_job(JobProperties(**members))
        while job.status not in ENDED:
            time.sleep(0.05)
            job = self.jobs.get_import_export_job(job.job_id)
        return job

    def export(self, output, **members):
        return self.run_job(type="export", output_blob_container_uri=output.uri, **members)

    def import_lines(self, *lines):
        """An import of these lines: the job, and what its error log says."""
        source, output = Container(), Container()
        source.write("devices.txt", "\n".join(json.dumps(line) for line in lines))
        uris = {"input_blob_container_uri": source.uri, "output_blob_container_uri": output.uri}
        job = self.run_job(type="import", **uris)
        return job, output

    @fact(
        area=AREA,
        call="create_import_export_job(export)",
        service="writes one line of JSON a device and a module, with keys and twin",
        source="DOC bulk-identity-mgmt; TF",
    )
    def test_export(self):
        device, output = self.device("exported"), Container()
        self.hub.create_module_with_sas(device, "camera", "", KEY, OTHER_KEY)
        job = self.export(output, exclude_keys_in_export=False)
        self.assertEqual((job.type, job.status, job.progress, job.failure_reason), ("export", "completed", 100, None))
        found = [line for line in map(json.loads, output.read("devices.txt").splitlines()) if line["id"] == device]
        self.assertEqual([line.get("moduleId") for line in found], [None, "camera"])
        self.assertEqual(found[0]["authentication"]["symmetricKey"], KEYS["symmetricKey"])
        self.assertEqual(found[0]["properties"]["reported"]["$version"], 1)

    @fact(
        area=AREA,
        call="create_import_export_job(export) with a blob name",
        service="writes there",
        source="SWAGGER JobProperties",
    )
    def test_blob_name(self):
        self.device("exported")
        output = Container()
        self.export(output, output_blob_name="mine.txt")
        self.assertTrue(output.read("mine.txt"))

    @fact(
        area=AREA,
        call="create_import_export_job(import) of every mode",
        service="creates, updates and deletes",
        source="DOC bulk-identity-mgmt; SWAGGER",
    )
    def test_modes(self):
        new, there, gone = unique("imported"), self.device(), self.device()
        device = {"status": "enabled", "authentication": KEYS}
        job, _ = self.import_lines(
            {"id": new, "importMode": "create", **device, "tags": {"site": "A"}},
            {"id": there, "importMode": "update", **device, "status": "disabled"},
            {"id": there, "importMode": "updateTwin", **device, "tags": {"site": "B"}},
            {"id": gone, "importMode": "delete", **device},
        )
        self.assertEqual((job.type, job.status), ("import", "completed"))
        self.assertEqual(self.hub.get_twin(new).tags, {"site": "A"})
        self.assertEqual(
            (self.hub.get_device(there).status, self.hub.get_twin(there).tags), ("disabled", {"site": "B"})
        )
        self.assert_refused(404, "DeviceNotFound", self.hub.get_device, gone)

    @fact(
        area=AREA,
        call="create_import_export_job(import) of failing lines only",
        service="completes without a reason, and importErrors.log has numbers",
        source="TF; DOC bulk-identity-mgmt",
    )
    def test_errors(self):
        there = self.device()
        job, output = self.import_lines({"id": there, "importMode": "create", "status": "enabled"})
        self.assertEqual((job.status, job.failure_reason), ("completed", None))
        self.assertIn(
            (there, 409001),
            [
                (error["deviceId"], error["errorCode"])
                for error in map(json.loads, output.read("importErrors.log").splitlines())
            ],
        )

    @fact(
        area=AREA,
        call="create_import_export_job(import) of an export",
        service="takes the lines as they were written",
        source="DOC bulk-identity-mgmt",
    )
    def test_round_trip(self):
        device, output = self.device("exported"), Container()
        self.export(output, exclude_keys_in_export=False)
        line = next(line for line in map(json.loads, output.read("devices.txt").splitlines()) if line["id"] == device)
        self.hub.delete_device(device)
        self.import_lines(line)
        self.assertEqual(self.hub.get_device(device).authentication.symmetric_key.primary_key, KEY)

    @fact(area=AREA, call="get_import_export_jobs()", service="lists the jobs there were", source="REC:JobsClientTests")
    def test_list(self):
        job = self.export(Container(), exclude_keys_in_export=True)
        self.assertIn(job.job_id, [listed.job_id for listed in self.jobs.get_import_export_jobs()])

    @fact(area=AREA, call="get_import_export_job() of nothing", service="answers 404 JobNotFound", source="TF")
    def test_nothing(self):
        self.assert_refused(404, "JobNotFound", self.jobs.get_import_export_job, unique("none"))

    @fact(
        area=AREA,
        call="create_import_export_job() with a bad signature",
        service="answers 400 BlobContainerValidationError at once",
        source="TF",
    )
    def test_bad_signature(self):
        uri = f"{Container().uri.partition('sig=')[0]}sig=AAAA"
        job = JobProperties(type="export", output_blob_container_uri=uri)
        self.assert_refused(400, "BlobContainerValidationError", self.jobs.create_import_export_job, job)

    @fact(
        area=AREA,
        call="cancel_import_export_job()",
        service="is taken also when the job has ended",
        source="SWAGGER (200 or 204)",
    )
    def test_cancel(self):
        self.jobs.cancel_import_export_job(self.export(Container()).job_id)
