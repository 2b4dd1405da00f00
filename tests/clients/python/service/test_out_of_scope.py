"""What the emulator does not do, and says so."""

from azure.iot.hub import DigitalTwinClient, IoTHubHttpRuntimeManager, IoTHubJobManager
from azure.iot.hub.models import CloudToDeviceMethod, JobRequest
from msrest.exceptions import HttpOperationError

from contract import fact, unique
from hub import HUB, OnHub

REFUSED = {"service": "is refused with 501 and the name of the call", "source": "out of scope", "refused": True}


class OutOfScope(OnHub):
    def assert_named(self, name, call, *arguments):
        with self.assertRaises(HttpOperationError) as raised:
            call(*arguments)
        self.assertEqual(raised.exception.response.status_code, 501)
        self.assertIn(name, raised.exception.response.text)

    @fact(area="direct methods", call="invoke_device_method()", **REFUSED)
    def test_device_method(self):
        method = CloudToDeviceMethod(method_name="reboot", payload="{}")
        self.assert_named("/methods", self.hub.invoke_device_method, self.device(), method)

    @fact(area="direct methods", call="invoke_device_module_method()", **REFUSED)
    def test_module_method(self):
        method = CloudToDeviceMethod(method_name="reboot", payload="{}")
        self.assert_named("/methods", self.hub.invoke_device_module_method, self.device(), "camera", method)

    @fact(area="cloud-to-device messages", call="receive_feedback_notification()", **REFUSED)
    def test_feedback(self):
        runtime = IoTHubHttpRuntimeManager.from_connection_string(HUB["connectionString"])
        self.assert_named("/messages/serviceBound/feedback", runtime.receive_feedback_notification)

    @fact(
        area="cloud-to-device messages",
        call="protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue()",
        **REFUSED
    )
    def test_purge(self):
        purge = self.hub.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue
        self.assert_named("/commands", purge, self.device())

    @fact(area="scheduled jobs", call="create_scheduled_job()", **REFUSED)
    def test_scheduled_job(self):
        jobs = IoTHubJobManager.from_connection_string(HUB["connectionString"])
        job = unique("job")
        self.assert_named(
            "/jobs/v2/", jobs.create_scheduled_job, job, JobRequest(job_id=job, type="scheduleUpdateTwin")
        )

    @fact(area="scheduled jobs", call="get_scheduled_job(), cancel_scheduled_job(), query_scheduled_jobs()", **REFUSED)
    def test_other_scheduled_jobs(self):
        jobs = IoTHubJobManager.from_connection_string(HUB["connectionString"])
        self.assert_named("/jobs/v2/", jobs.get_scheduled_job, unique("job"))
        self.assert_named("/jobs/v2/", jobs.cancel_scheduled_job, unique("job"))
        self.assert_named("/jobs/v2/query", jobs.query_scheduled_jobs, "scheduleUpdateTwin", "queued")

    @fact(area="digital twins", call="get_digital_twin()", **REFUSED)
    def test_digital_twin(self):
        client = DigitalTwinClient.from_connection_string(HUB["connectionString"])
        self.assert_named("/digitaltwins/", client.get_digital_twin, self.device())
