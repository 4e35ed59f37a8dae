"""The client without a service: its requests are answered by functions of this process.

`Client.local()` is the door. Answers are those of a service, so the client reads them by the same code.
"""
