-- What a request says besides its reason comes with its change, before its items, and is never altered or deleted.

CREATE FUNCTION reasons_comes_with_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changes_item WHERE change_id = NEW.change_id) THEN
        RAISE EXCEPTION 'Change % has been requested: nothing is added to its request.', NEW.change_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'background_comes_with_change';
    END IF;
    RETURN NEW;
END;
$$;

CREATE FUNCTION reasons_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What a request says stays as it is: % on % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'background_stays';
END;
$$;

CREATE TRIGGER reasons_background_comes_with_change BEFORE INSERT ON reasons_background
    FOR EACH ROW EXECUTE FUNCTION reasons_comes_with_change();
CREATE TRIGGER reasons_background_stays BEFORE UPDATE OR DELETE ON reasons_background
    FOR EACH ROW EXECUTE FUNCTION reasons_refuse();
CREATE TRIGGER reasons_background_no_truncate BEFORE TRUNCATE ON reasons_background
    FOR EACH STATEMENT EXECUTE FUNCTION reasons_refuse();
ALTER TABLE reasons_background ENABLE ALWAYS TRIGGER reasons_background_comes_with_change;
ALTER TABLE reasons_background ENABLE ALWAYS TRIGGER reasons_background_stays;
ALTER TABLE reasons_background ENABLE ALWAYS TRIGGER reasons_background_no_truncate;
