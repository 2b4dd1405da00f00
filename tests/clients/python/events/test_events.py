"""What the events say."""

from azure.eventhub import EventData, EventHubProducerClient
from azure.eventhub.exceptions import EventHubError

from contract import WORLD, fact
from hub import HUB
from reader import OnEventHubs, number

AREA = "events"
NAME = HUB["name"].encode()


class Events(OnEventHubs):
    @fact(
        area=AREA,
        call="receive() of a twin change",
        service="gives the patch with versions, and the properties of a routed message",
        source="DOC iot-hub-non-telemetry-event-schema; REC",
    )
    def test_twin_change(self):
        device = self.device()
        self.tag(device, 7)
        event = self.told(device, 2)[0][1]
        body = event.body_as_json()
        self.assertEqual((body["tags"], body["version"]), ({"n": 7}, 3))
        expected = {b"hubName": NAME, b"opType": b"updateTwin", b"iothub-message-schema": b"twinChangeNotification"}
        self.assertEqual({name: event.properties[name] for name in expected}, expected)
        self.assertTrue(event.properties[b"operationTimestamp"].endswith(b"+00:00"))
        self.assertEqual((event.content_type, event.partition_key), ("application/json", device.encode()))

    @fact(
        area=AREA,
        call="EventData.system_properties of a routed message",
        service="has the hub's annotations and the event hub's, and the hub as user-id",
        source="DOC iot-hub-devguide-messages-construct; PYEH",
    )
    def test_system_properties(self):
        device = self.device()
        event = self.told(device, 1)[0][0]
        system = event.system_properties
        expected = {
            b"iothub-connection-device-id": device.encode(),
            b"iothub-message-source": b"deviceLifecycleEvents",
            b"user-id": NAME,
            b"content-encoding": b"utf-8",
            b"x-opt-partition-key": device.encode(),
            b"x-opt-sequence-number": event.sequence_number,
            b"x-opt-offset": event.offset.encode(),
        }
        self.assertEqual({name: system[name] for name in expected}, expected)
        self.assertIsInstance(system[b"iothub-enqueuedtime"], int)
        self.assertEqual(int(event.enqueued_time.timestamp() * 1000), system[b"x-opt-enqueued-time"])

    @fact(
        area=AREA,
        call="receive() of a life",
        service="gives creation, changes and deletion of a device on one partition, in their order",
        source="DOC routing-comparison; ISSUE iotedge#1414",
    )
    def test_order(self):
        device = self.device()
        self.tag(device, 1, 2, 3)
        self.hub.delete_device(device)
        events, partition = self.told(device, 5)
        kinds = [event.properties[b"opType"].decode() for event in events]
        self.assertEqual(
            kinds, ["createDeviceIdentity", "updateTwin", "updateTwin", "updateTwin", "deleteDeviceIdentity"]
        )
        self.assertEqual([number(event) for event in events[1:4]], [1, 2, 3])
        self.assertEqual([event.sequence_number for event in events], sorted(event.sequence_number for event in events))
        self.assertEqual({event.partition_key for event in events}, {device.encode()})
        self.assertIn(partition, self.client("devicetwin").get_partition_ids())

    @fact(
        area=AREA,
        call="receive() of a creation that Event Grid tells",
        service="gives an array of one event, whose twin is a skeleton",
        source="DOC event-schema-iot-hub, delivery to an event hub",
    )
    def test_event_grid(self):
        device = self.device()
        reader = self.reader("registry", "-1", wanted=lambda event: device in event.body_as_str())
        [event] = reader.until(1)
        [told] = event.body_as_json()
        self.assertEqual((told["eventType"], told["subject"]), ("Microsoft.Devices.DeviceCreated", f"devices/{device}"))
        self.assertEqual(told["data"]["twin"]["deviceEtag"], "null")
        self.assertEqual(event.properties[b"aeg-event-type"], b"Notification")
        self.assertIsNone(event.partition_key)

    @fact(
        area=AREA,
        call="EventHubProducerClient.send_event()",
        service="sends an event to an event hub",
        source="PYEH",
        refused=True,
    )
    def test_sending(self):
        producer = EventHubProducerClient.from_connection_string(
            WORLD["eventHubs"], eventhub_name="devicetwin", retry_total=0
        )
        self.addCleanup(producer.close)
        with self.assertRaises(EventHubError) as raised:
            producer.send_event(EventData("x"))
        self.assertIn("Sending events is not supported", str(raised.exception))
