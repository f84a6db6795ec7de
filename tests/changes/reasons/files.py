"""Files for tests: real enough to be accepted, and those that are not what they are called."""

from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.changes.reasons.models import Upload
from accounts.changes.reasons.uploads import receive
from riskadmin.staff.models import Staff

PDF = b"%PDF-1.7\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"
MAIL = b"From: trader@example.com\r\nSubject: Please unlock\r\n\r\nI had the wrong size.\r\n"
TEXT = "The trader wrote: “please unlock”\r\n".encode()
PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00"


def named(name: str, content: bytes) -> SimpleUploadedFile:
    """A file as a browser sends it."""
    return SimpleUploadedFile(name, content)


def uploaded_file(person: Staff, name: str = "request.pdf", content: bytes = PDF) -> Upload:
    """A file that a person has uploaded for a request."""
    (kept,) = receive(person, [named(name, content)], []).ids
    return Upload.objects.get(pk=kept)
