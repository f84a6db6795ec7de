"""What somebody could try who has the application's password: each is refused by PostgreSQL itself."""

from typing import Final

import psycopg
import pytest
from psycopg import errors

from riskadmin.local.postgres import APPLICATION, OWNER
from tests.database.conftest import AddressOf
from tests.servers import with_database

pytestmark = pytest.mark.django_db  # so that the test database is made

EVENT: Final = (
    "INSERT INTO audit_event ({}tag, staff_name, staff_role, job, request_id, environment, account_name, reason_code,"
)
EVENT_REST: Final = " reason_text, detail) VALUES ({}'x', '', '', '', '', '', '', '', '', '{{}}')"

REFUSED: Final = {
    # The trail
    "an event is altered": "UPDATE audit_event SET reason_text = 'x'",
    "an event is deleted": "DELETE FROM audit_event",
    "the trail is truncated": "TRUNCATE audit_event",
    "the trail is locked": "DO $$ BEGIN LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE; END $$",
    "an event is backdated": EVENT.format("occurred_at, ") + EVENT_REST.format("'2020-01-01', "),
    "an event takes the place of another": EVENT.format("id, ") + EVENT_REST.format("1, "),
    "an event is backdated by COPY": "COPY audit_event (occurred_at, tag) FROM STDIN",
    "numbers of events are taken back": "SELECT setval(pg_get_serial_sequence('audit_event', 'id'), 1)",
    "numbers of events are used up": "SELECT nextval(pg_get_serial_sequence('audit_event', 'id'))",
    # Approvals, calls and what is kept with them
    "an approval is altered": "UPDATE approvals_approval SET verdict = 'approve'",
    "an approval is deleted": "DELETE FROM approvals_approval",
    "approvals are truncated": "TRUNCATE approvals_approval",
    "approvals are truncated with what refers to them": "TRUNCATE approvals_approvalrequest CASCADE",
    "a request is deleted": "DELETE FROM approvals_approvalrequest",
    "what a request needs is altered": "UPDATE approvals_approvalrequest SET needed = 0",
    "who asked is altered": "UPDATE approvals_approvalrequest SET requested_by_id = 1",
    "a rule of the policy is altered": "UPDATE approvals_policyrule SET stages = '[]'",
    "a rule of the policy is deleted": "DELETE FROM approvals_policyrule",
    "a comment is altered": "UPDATE approvals_comment SET text = 'x'",
    "a note is altered": "UPDATE accounts_accountnote SET text = 'x'",
    "a change is deleted": "DELETE FROM changes_change",
    "an item is deleted": "DELETE FROM changes_item",
    "when a call began is altered": "UPDATE execution_call SET started_at = now()",
    "a call is deleted": "DELETE FROM execution_call",
    "calls are truncated": "TRUNCATE execution_call CASCADE",
    "which items a call carried is altered": "UPDATE execution_callitem SET item_id = 1",
    "which items a call carried is deleted": "DELETE FROM execution_callitem",
    "a file is replaced": "UPDATE reasons_attachment SET content = ''",
    "a person is deleted": "DELETE FROM staff_staff",
    "a role is invented": "INSERT INTO auth_group (name) VALUES ('god')",
    "a migration is forged": "INSERT INTO django_migrations (app, name, applied) VALUES ('audit', 'x', now())",
    # The guards
    "a trigger is switched off": "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "a trigger is dropped": "DROP TRIGGER approvals_approval_guard ON approvals_approval",
    "a trigger is added": (
        "CREATE TRIGGER mine BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    ),
    "a rule is added": "CREATE RULE mine AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "triggers are left out as for a replica": "SET session_replication_role = replica",
    "a guard's function is replaced": (
        "CREATE OR REPLACE FUNCTION approvals_hold(bigint, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    ),
    "a guard's function is dropped": "DROP FUNCTION changes_guard_change() CASCADE",
    "a guard's function is pointed elsewhere": "ALTER FUNCTION approvals_hold(bigint, text) SET search_path = pg_temp",
    # Tables and schemas
    "a table is made": "CREATE TABLE mine (id int)",
    "a table stands in for another": "CREATE TEMP TABLE approvals_approval (id int)",
    "a schema is made": "CREATE SCHEMA mine",
    "a function is made": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a temporary function is made": "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a column is added": "ALTER TABLE changes_change ADD COLUMN mine int",
    "a constraint is dropped": "ALTER TABLE approvals_approval DROP CONSTRAINT approval_once_per_person",
    "a table is dropped": "DROP TABLE audit_event",
    "a table is renamed": "ALTER TABLE audit_event RENAME TO old_events",
    "an index is made": "CREATE INDEX ON audit_event (tag)",
    "an extension is installed": "CREATE EXTENSION file_fdw",
    "a reference keeps rows": "ALTER TABLE reasons_upload ADD FOREIGN KEY (size) REFERENCES audit_event (id)",
    # More rights
    "it becomes the owner": f"SET ROLE {OWNER}",
    "it becomes the superuser": "SET ROLE postgres",
    "it signs in as the owner": f"SET SESSION AUTHORIZATION {OWNER}",
    "it makes itself a superuser": f"ALTER ROLE {APPLICATION} SUPERUSER",
    "it joins the owner": f"GRANT {OWNER} TO {APPLICATION}",
    "it takes a table": f"ALTER TABLE audit_event OWNER TO {APPLICATION}",
    "it takes the database": f"ALTER DATABASE postgres OWNER TO {APPLICATION}",
    "a role is made": "CREATE ROLE mine SUPERUSER",
    "a password is set": f"ALTER ROLE {OWNER} PASSWORD 'x'",
    "password hashes of roles are read": "SELECT rolpassword FROM pg_authid",
    # The machine
    "a program is run": "COPY (SELECT 1) TO PROGRAM 'true'",
    "a program is read": "COPY accounts_accountnote FROM PROGRAM 'true'",
    "a file is written": "COPY (SELECT 1) TO '/tmp/riskadmin-mine'",
    "a file is read": "SELECT pg_read_file('/etc/passwd')",
    "a directory is read": "SELECT pg_ls_dir('/')",
    "a file is imported": "SELECT lo_import('/etc/passwd')",
    "the server is configured": "ALTER SYSTEM SET log_statement = 'none'",
    "the configuration is read again": "SELECT pg_reload_conf()",
    "a database is made": "CREATE DATABASE mine",
    "a database is dropped": "DROP DATABASE postgres",
}


def test_everything_that_it_should_not_do_is_refused(application: psycopg.Connection, subtests: pytest.Subtests) -> None:
    application.autocommit = True  # some of it can't be tried in a transaction
    for name, statement in REFUSED.items():
        with subtests.test(name), pytest.raises(errors.InsufficientPrivilege):
            application.execute(statement.encode())


def test_it_has_nothing_to_grant(application: psycopg.Connection) -> None:
    """PostgreSQL warns of such a grant, and grants nothing."""
    application.execute(f"GRANT UPDATE, DELETE, TRUNCATE ON audit_event TO {APPLICATION}".encode())
    application.execute("GRANT SELECT ON django_session TO PUBLIC")
    assert application.execute("SELECT has_table_privilege('audit_event', 'UPDATE, DELETE, TRUNCATE')").fetchone() == (False,)


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_it_reaches_no_other_database(address_of: AddressOf, database: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(with_database(address_of(APPLICATION), database))


def test_an_event_gets_its_time_and_number_from_the_database(application: psycopg.Connection) -> None:
    application.execute((EVENT.format("") + EVENT_REST.format("")).encode())
    row = application.execute(
        "SELECT occurred_at BETWEEN now() AND clock_timestamp(), id > 0 FROM audit_event WHERE tag = 'x'"
    ).fetchone()
    assert row == (True, True)


def test_a_call_is_completed_once(application: psycopg.Connection) -> None:
    row = application.execute(
        "INSERT INTO execution_call (purpose, environment, lane, worker, state, started_at)"
        " VALUES ('read_back', 'demo', 'bulk', 'w', 'open', now()) RETURNING id"
    ).fetchone()
    complete = "UPDATE execution_call SET state = 'answered', ended_at = now(), status = 200, note = %s WHERE id = %s"
    assert row is not None
    assert application.execute(complete, ["first", row[0]]).rowcount == 1
    with pytest.raises(errors.IntegrityError, match="What was sent and answered stays"), application.transaction():
        application.execute(complete, ["second", row[0]])
    assert application.execute("SELECT note FROM execution_call WHERE id = %s", row).fetchone() == ("first",)


def test_guards_look_at_the_real_tables_whatever_the_session_says(application: psycopg.Connection) -> None:
    """There is no schema in which it could make tables that guards would take for theirs."""
    application.execute("SET search_path = pg_temp, information_schema")
    with pytest.raises(psycopg.Error), application.transaction():
        application.execute(
            "INSERT INTO public.approvals_approval (request_id, version, staff_id, staff_name, staff_role, verdict, stage,"
            " digest, comment, excluded, made_at) VALUES (1, 1, 1, 'x', 'supervisor', 'approve', 1, 'x', '', '[]', now())"
        )
