"""Log lines: each is one JSON object or one line, with what it is about, and without secrets or what a stranger chose."""

import logging
import threading
from datetime import datetime, timedelta

import pytest
from django.test import Client, RequestFactory
from django.utils.log import log_response

from riskadmin.logs.config import logging_config
from riskadmin.logs.context import log_fields
from riskadmin.logs.formatters import Lines
from riskadmin.logs.scrub import scrubbed
from riskadmin.staff.roles import Role
from tests.logs.reading import logged, parsed
from tests.staff.people import make_person

EVIL = 'x\n{"level": "ERROR", "message": "forged"}\r\n\x1b[31m\u2028\x85"\\'


class TestJson:
    def test_a_line_has_the_time_in_utc_and_what_it_is_about(self) -> None:
        with logged() as stream, log_fields(change=7, lane="urgent"), log_fields(call=9):
            logging.getLogger("riskadmin.some").warning("It %s", "waits")
        (line,) = parsed(stream)
        at = datetime.fromisoformat(line.pop("time"))
        assert at.utcoffset() == timedelta()
        assert line.pop("process") > 0
        assert line == {
            "level": "WARNING",
            "logger": "riskadmin.some",
            "message": "It waits",
            "change": 7,
            "call": 9,
            "lane": "urgent",
        }

    def test_whatever_a_message_holds_it_stays_one_line(self) -> None:
        with logged() as stream:
            logging.getLogger("any").error("Seen: %s", EVIL)
            logging.getLogger("any").error("Broken: %s", EVIL, exc_info=ValueError(EVIL))
        first, second = parsed(stream)
        assert first["message"] == f"Seen: {EVIL}"
        assert second["exception"].endswith(f"ValueError: {EVIL}")
        assert {first["level"], second["level"]} == {"ERROR"}

    def test_what_libraries_attach_is_left_out(self) -> None:
        request = RequestFactory().get("/reset/key-of-a-reset/?token=of-somebody")
        with logged() as stream:
            logging.getLogger("any").error("Failed", extra={"request": request, "body": "secret", "status": 500})
        (line,) = parsed(stream)
        assert line["status"] == 500
        assert not {"request", "body"} & line.keys()
        assert "of-somebody" not in stream.getvalue()

    def test_django_says_the_route_and_not_the_path(self) -> None:
        request = RequestFactory().get("/reset/key-of-a-reset/?token=of-somebody")
        response = type("Response", (), {"status_code": 500, "reason_phrase": "Internal Server Error"})()
        with logged() as stream:
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        (line,) = parsed(stream)
        assert line["message"] == "Internal Server Error: an unknown address"
        assert "key-of-a-reset" not in stream.getvalue()

    def test_fields_end_with_their_block_and_belong_to_their_thread(self) -> None:
        with logged() as stream:
            with log_fields(change=7):
                other = threading.Thread(target=lambda: logging.getLogger("other").info("elsewhere"))
                other.start()
                other.join()
            logging.getLogger("this").info("afterwards")
        assert [line.get("change") for line in parsed(stream)] == [None, None]

    def test_a_field_that_there_isnt_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="no field account"), log_fields(account=1):
            pass


class TestLines:
    def test_a_value_cant_begin_a_line(self) -> None:
        with logged(Lines("%(levelname)s [%(request_id)s] %(message)s")) as stream:
            logging.getLogger("any").error("Seen: %s", EVIL)
        (line,) = stream.getvalue().splitlines()
        assert line == 'ERROR [-] Seen: x\\n{"level": "ERROR", "message": "forged"}\\r\\n\\x1b[31m\\x2028\\x85"\\'

    @pytest.mark.parametrize("form", ["json", "line"])
    def test_the_configuration_is_one(self, form: str) -> None:
        config = logging_config(form=form, level="INFO")
        assert config["handlers"]["console"]["formatter"] == form
        assert form in config["formatters"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no server at postgresql://app:hunter2@db/risk", "no server at postgresql://app:[hidden]@db/risk"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [hidden]"),
        ('{"accessToken": "abc", "name": "x"}', '{"accessToken": "[hidden]", "name": "x"}'),
        ("password=hunter2&x=1", "password=[hidden]&x=1"),
        ("p-ticket: abc", "p-ticket: [hidden]"),
        ("a lock of account 17, section 4", "a lock of account 17, section 4"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, expected: str) -> None:
    assert scrubbed(text) == expected
    with logged() as stream:
        logging.getLogger("any").error("%s", text)
    assert parsed(stream)[0]["message"] == expected


@pytest.mark.django_db
class TestAccess:
    def test_a_request_is_one_line_with_its_person(self, client: Client) -> None:
        person = make_person(Role.SUPPORT)
        client.force_login(person)
        with logged() as stream:
            page = client.get("/accounts/", {"q": "a-name-that-was-searched"})
        (line,) = [line for line in parsed(stream) if line["logger"] == "riskadmin.access"]
        assert (line["method"], line["route"], line["status"], line["person"]) == ("GET", "accounts:list", 200, person.pk)
        assert line["request_id"] == page["X-Request-ID"]
        assert line["ms"] > 0
        assert "a-name-that-was-searched" not in stream.getvalue()
        assert person.username not in stream.getvalue()

    def test_what_a_stranger_sends_is_not_repeated(self, client: Client) -> None:
        with logged() as stream:
            client.generic("FORGED", "/nowhere/forged%0Aforged", headers={"User-Agent": "forged"})
        (line,) = [line for line in parsed(stream) if line["logger"] == "riskadmin.access"]
        assert (line["method"], line["route"], line["status"]) == ("other", "other", 404)
        assert ("person" in line, "forged" in stream.getvalue().lower()) == (False, False)

    def test_probes_are_quiet(self, client: Client) -> None:
        with logged() as stream:
            client.get("/healthz")
        assert [line for line in parsed(stream) if line["logger"] == "riskadmin.access"] == []
