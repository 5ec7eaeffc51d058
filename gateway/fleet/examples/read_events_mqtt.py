"""Prints the events of all shops as they happen, over MQTT 3.1.1: python read_events_mqtt.py HOST PORT FOLDER NAME."""

import json
import sys
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

host, port, folder, name = sys.argv[1:]


def show(_: Client, __: object, message: MQTTMessage) -> None:
    try:
        topic, event = message.topic, json.loads(message.payload)
    except (ValueError, RecursionError):  # no gateway sends what is no UTF-8 or no JSON
        return
    if topic.isascii() and topic.isprintable():
        sys.stdout.write(f"{topic} {json.dumps(event)}\n")
        sys.stdout.flush()


client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
client.tls_set(f"{folder}/ca.pem", f"{folder}/{name}.pem", f"{folder}/{name}.key")
client.username_pw_set(name, Path(f"{folder}/{name}.jwt").read_text())
client.on_connect = lambda connected, *_: connected.subscribe("fleet/v1/+/event/#")
client.on_message = show
client.connect(host, int(port))
client.loop_forever()
