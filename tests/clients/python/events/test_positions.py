"""Where reading begins, and where it goes on."""

import datetime

from azure.eventhub._eventprocessor.in_memory_checkpoint_store import InMemoryCheckpointStore

from contract import fact, unique
from reader import OnEventHubs, number, of

AREA = "events"


class Positions(OnEventHubs):
    def life(self):
        """A device with three twin changes: its events, and their partition."""
        device = self.device()
        self.tag(device, 1, 2, 3)
        return device, *self.told(device, 4)

    def numbers(self, count, position, device, partition, **options):
        events = self.read(count, position, device, partition_id=partition, **options)
        return [number(event) for event in events]

    @fact(
        area=AREA,
        call="receive(starting_position=sequence number)",
        service="goes on after that event, or with it when inclusive",
        source="PYEH; DOC event-hubs-features",
    )
    def test_sequence_number(self):
        device, events, partition = self.life()
        second = events[2].sequence_number
        self.assertEqual(self.numbers(1, second, device, partition), [3])
        self.assertEqual(self.numbers(2, second, device, partition, starting_position_inclusive=True), [2, 3])

    @fact(
        area=AREA,
        call="receive(starting_position=offset)",
        service="goes on after that event, or with it when inclusive",
        source="PYEH",
    )
    def test_offset(self):
        device, events, partition = self.life()
        second = events[2].offset
        self.assertEqual(self.numbers(1, second, device, partition), [3])
        self.assertEqual(self.numbers(2, second, device, partition, starting_position_inclusive=True), [2, 3])

    @fact(
        area=AREA,
        call="receive(starting_position=time)",
        service="begins with what was enqueued after it",
        source="PYEH",
    )
    def test_time(self):
        device, events, partition = self.life()
        before = events[0].enqueued_time - datetime.timedelta(milliseconds=1)
        self.assertEqual(self.numbers(4, before, device, partition), [None, 1, 2, 3])
        after = events[3].enqueued_time
        self.tag(device, 4)
        self.assertEqual(self.numbers(1, after, device, partition), [4])

    @fact(
        area=AREA,
        call='receive(starting_position="@latest")',
        service="gives what happens from then on, as it happens",
        source="PYEH",
    )
    def test_latest(self):
        device, _, partition = self.life()
        reader = self.reader(
            "devicetwin",
            "@latest",
            partition_id=partition,
            wanted=of(device),
            track_last_enqueued_event_properties=True,
        )
        # That it listens shows in what it is given: the first change that it sees is one of these.
        for later in range(4, 200):
            self.tag(device, later)
            if reader.events:
                break
        first = number(reader.until(1)[0])
        self.assertGreaterEqual(first, 4)
        self.tag(device, "live")
        seen = reader.until(later - first + 2)
        self.assertEqual([number(event) for event in seen], [*range(first, later + 1), "live"])
        self.assertGreaterEqual(reader.last["sequence_number"], seen[-1].sequence_number)

    @fact(
        area=AREA,
        call="receive() with a checkpoint store",
        service="goes on after the checkpoint, by whichever process",
        source="PYEH; DOC event-processor-balance-partition-load",
    )
    def test_checkpoint(self):
        device, store, group = self.device(), InMemoryCheckpointStore(), unique("group")
        self.tag(device, 1, 2)
        reader = self.reader("devicetwin", "-1", group=group, wanted=of(device), checkpoint_store=store)
        self.assertEqual([number(event) for event in reader.until(3)], [None, 1, 2])
        reader.close()
        self.tag(device, 3, 4)
        again = self.reader("devicetwin", "-1", group=group, wanted=of(device), checkpoint_store=store)
        self.assertEqual([number(event) for event in again.until(2)], [3, 4])

    @fact(
        area=AREA,
        call="receive(starting_position=…) behind the end",
        service="is refused, and told what the last one is",
        source="ISSUE Azure/azure-event-hubs-spark#315, azure-sdk-for-java#10215",
    )
    def test_beyond(self):
        reader = self.reader("devicetwin", 10**9, partition_id="0")
        self.assertIn("The supplied sequence number '1000000000' is invalid.", reader.failure())

    @fact(
        area=AREA,
        call="get_eventhub_properties() and get_partition_properties()",
        service="tell partitions, and where each begins and ends",
        source="PYEH",
    )
    def test_runtime_information(self):
        device, events, partition = self.life()
        client = self.client("devicetwin")
        about = client.get_eventhub_properties()
        self.assertEqual((about["eventhub_name"], about["partition_ids"]), ("devicetwin", ["0", "1", "2", "3"]))
        self.assertIsNotNone(about["created_at"].tzinfo)
        partition = client.get_partition_properties(partition)
        self.assertEqual((partition["beginning_sequence_number"], partition["is_empty"]), (0, False))
        self.assertGreaterEqual(partition["last_enqueued_sequence_number"], events[3].sequence_number)
        self.assertGreaterEqual(int(partition["last_enqueued_offset"]), int(events[3].offset))
        self.assertGreaterEqual(partition["last_enqueued_time_utc"], events[3].enqueued_time)
