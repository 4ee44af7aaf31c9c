"""What travels between a node and the collector: pure values and bytes.

`envelope`  one signature over one exact encoding; frames and their DSSE form
`keys`      which public keys may stand behind evidence
`report`    what a node signs; `report_json` is its JSON form
`receipt`   what the collector signs back, and its JSON form
`chain`     what two frames of one epoch prove about each other
`codec`     MQTT payloads, strict JSON, hashes
`fields`    typed reading of JSON objects
`moments`   the one written form of a time
`failure`   the closed vocabulary of what can fail in a step
`topics`    MQTT topic names
`errors`    what can be wrong with bytes from the other side

No clock, no disk, no network, no state.
"""
