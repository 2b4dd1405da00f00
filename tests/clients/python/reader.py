"""The event hubs through the official client, which reads in threads of its own."""

import logging
import threading

from azure.eventhub import EventHubConsumerClient
from azure.iot.hub.models import Twin

from contract import WORLD, unique
from hub import OnHub

# It logs what it gives to error handlers, too.
logging.getLogger("azure.eventhub").setLevel(logging.CRITICAL)

SECONDS = 20
# Asked again at once: a refusal is seen when it comes.
OPTIONS = {"retry_total": 0, "retry_backoff_factor": 0}


class Reader:
    """Reads until it is closed; keeps what it is given."""

    def __init__(self, event_hub, position, group=None, wanted=lambda event: True, checkpoint_store=None, **options):
        self.events, self.errors, self.last = [], [], None
        self._wanted, self._changed, self._closed = wanted, threading.Condition(), False
        self._client = EventHubConsumerClient.from_connection_string(
            WORLD["eventHubs"],
            group or unique("group"),
            eventhub_name=event_hub,
            checkpoint_store=checkpoint_store,
            load_balancing_interval=0.2,
            **OPTIONS,
        )
        # Batches: one by one, this client waits for each quiet partition before the next event.
        arguments = {"on_event_batch": self._batch, "on_error": self._error, "starting_position": position, **options}
        self._thread = threading.Thread(target=self._client.receive_batch, kwargs=arguments, daemon=True)
        self._thread.start()

    def _batch(self, context, events):
        wanted = [(context.partition_id, event) for event in events if self._wanted(event)]
        if not wanted:
            return
        with self._changed:
            if self._closed:
                return
            if context._checkpoint_store:
                context.update_checkpoint(wanted[-1][1])
            self.events += wanted
            self.last = context.last_enqueued_event_properties
            self._changed.notify_all()

    def _error(self, context, error):
        with self._changed:
            self.errors.append(error)
            self._changed.notify_all()

    def until(self, count):
        """The first `count` events, as many as there are when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.events) >= count, SECONDS)
            return [event for _, event in self.events[:count]]

    def failure(self):
        """The first error's words."""
        with self._changed:
            self._changed.wait_for(lambda: self.errors, SECONDS)
            return str(self.errors[0]) if self.errors else None

    def close(self):
        """Ends it: what the client still receives in the seconds that it takes, which nobody waits for, is not read."""
        with self._changed:
            self._closed = True
        threading.Thread(target=self._client.close, daemon=True).start()


def of(device):
    """Whether an event is about this device."""
    return lambda event: event.properties.get(b"deviceId") == device.encode()


class OnEventHubs(OnHub):
    """Has readers, which are closed whatever happens, and devices that cause events."""

    def reader(self, *arguments, **options):
        reader = Reader(*arguments, **options)
        self.addCleanup(reader.close)
        return reader

    def client(self, event_hub):
        client = EventHubConsumerClient.from_connection_string(
            WORLD["eventHubs"], "$Default", eventhub_name=event_hub, **OPTIONS
        )
        self.addCleanup(client.close)
        return client

    def tag(self, device, *numbers):
        """One twin change each."""
        for number in numbers:
            self.hub.update_twin(device, Twin(tags={"n": number}))

    def read(self, count, position, device, **options):
        """The first events of a device from a position on, by one reader."""
        reader = Reader("devicetwin", position, wanted=of(device), **options)
        try:
            return reader.until(count)
        finally:
            reader.close()

    def told(self, device, count):
        """The first events of a device and their partition."""
        reader = self.reader("devicetwin", "-1", wanted=of(device))
        events = reader.until(count)
        self.assertEqual(len(events), count, reader.errors)
        return events, reader.events[0][0]


def number(event):
    """The tag of a twin change, none of another event."""
    return event.body_as_json().get("tags", {}).get("n")
