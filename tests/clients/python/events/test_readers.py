"""Who may read."""

from azure.eventhub.exceptions import EventHubError

from contract import fact, unique
from reader import OnEventHubs, of

AREA = "events"


class Readers(OnEventHubs):
    def owner(self, level, group, device, partition):
        return self.reader(
            "devicetwin", "-1", group=group, partition_id=partition, owner_level=level, wanted=of(device)
        )

    @fact(
        area=AREA,
        call="receive(owner_level=…)",
        service="takes a partition from a lower or equal level, whose link is stolen",
        source="ISSUE azure-sdk-for-java#12483; DOC event-processor-balance-partition-load",
    )
    def test_takeover(self):
        device, group = self.device(), unique("group")
        _, partition = self.told(device, 1)
        first = self.owner(0, group, device, partition)
        self.assertEqual(len(first.until(1)), 1)
        second = self.owner(1, group, device, partition)
        self.assertEqual(len(second.until(1)), 1)
        self.assertIn("New receiver", first.failure())

    @fact(
        area=AREA,
        call="receive(owner_level=…) below the reader's",
        service="is refused with amqp:link:stolen",
        source="ISSUE azure-sdk-for-java#26583",
    )
    def test_lower(self):
        device, group = self.device(), unique("group")
        _, partition = self.told(device, 1)
        first = self.owner(2, group, device, partition)
        self.assertEqual(len(first.until(1)), 1)
        self.assertIn("with a higher epoch '2' already exists", self.owner(1, group, device, partition).failure())
        plain = self.reader("devicetwin", "-1", group=group, partition_id=partition)
        self.assertIn("non-epoch receiver is not allowed", plain.failure())
        self.assertEqual(first.errors, [])

    @fact(
        area=AREA,
        call="receive(consumer_group=…)",
        service="reads for every consumer group apart",
        source="DOC event-hubs-features",
    )
    def test_groups(self):
        device = self.device()
        _, partition = self.told(device, 1)
        readers = [self.owner(0, unique("group"), device, partition) for _ in range(2)]
        self.assertEqual([len(reader.until(1)) for reader in readers], [1, 1])
        self.assertEqual([reader.errors for reader in readers], [[], []])

    @fact(
        area=AREA,
        call="get_eventhub_properties() of what is not there",
        service="is refused with 404, amqp:not-found",
        source="PYEH",
    )
    def test_not_found(self):
        with self.assertRaises(EventHubError) as raised:
            self.client("elsewhere").get_eventhub_properties()
        self.assertIn("Status code: 404", str(raised.exception))
        self.assertIn("NotFound", str(raised.exception))
