"""Prints the events of all shops as they happen, over MQTT 3.1.1: python read_events_mqtt.py HOST PORT FOLDER NAME."""

import sys
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

host, port, folder, name = sys.argv[1:]


def show(_: Client, __: object, message: MQTTMessage) -> None:
    sys.stdout.write(f"{message.topic} {message.payload.decode()}\n")
    sys.stdout.flush()


client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
client.tls_set(f"{folder}/ca.pem", f"{folder}/{name}.pem", f"{folder}/{name}.key")
client.username_pw_set(name, Path(f"{folder}/{name}.jwt").read_text())
client.on_connect = lambda connected, *_: connected.subscribe("fleet/v1/+/event/#")
client.on_message = show
client.connect(host, int(port))
client.loop_forever()
