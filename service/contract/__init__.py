"""What travels between the rooms: the options of every kind of job, each declared once with its default, its
limits and what it means, and the kinds themselves (`kinds.KINDS`).

The API validates with these classes and publishes their schema, the workers read the same ones, the command
line and the client offer their fields. They are plain dataclasses, so that showing help loads no pydantic;
`reading.read` checks a document against them with it.
"""
