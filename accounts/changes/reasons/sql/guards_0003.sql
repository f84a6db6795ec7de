-- Attached files: what is stored is what was hashed; an attachment comes with its change and stays; an upload is only deleted.

ALTER TABLE reasons_upload ALTER COLUMN content SET STORAGE EXTERNAL;  -- most are compressed already
ALTER TABLE reasons_attachment ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE reasons_upload ADD CONSTRAINT upload_as_hashed
    CHECK (sha256 = encode(sha256(content), 'hex') AND size = octet_length(content));
ALTER TABLE reasons_attachment ADD CONSTRAINT attachment_as_hashed
    CHECK (sha256 = encode(sha256(content), 'hex') AND size = octet_length(content));

CREATE TRIGGER reasons_upload_stays BEFORE UPDATE ON reasons_upload
    FOR EACH ROW EXECUTE FUNCTION reasons_refuse();
CREATE TRIGGER reasons_attachment_comes_with_change BEFORE INSERT ON reasons_attachment
    FOR EACH ROW EXECUTE FUNCTION reasons_comes_with_change();
CREATE TRIGGER reasons_attachment_stays BEFORE UPDATE OR DELETE ON reasons_attachment
    FOR EACH ROW EXECUTE FUNCTION reasons_refuse();
CREATE TRIGGER reasons_attachment_no_truncate BEFORE TRUNCATE ON reasons_attachment
    FOR EACH STATEMENT EXECUTE FUNCTION reasons_refuse();
ALTER TABLE reasons_upload ENABLE ALWAYS TRIGGER reasons_upload_stays;
ALTER TABLE reasons_attachment ENABLE ALWAYS TRIGGER reasons_attachment_comes_with_change;
ALTER TABLE reasons_attachment ENABLE ALWAYS TRIGGER reasons_attachment_stays;
ALTER TABLE reasons_attachment ENABLE ALWAYS TRIGGER reasons_attachment_no_truncate;
