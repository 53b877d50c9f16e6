-- Instants are Unix milliseconds. JSON is opaque text. No column holds patient data.

CREATE TABLE export (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT, -- order of beginning; clocks go back
    id               TEXT    NOT NULL UNIQUE,
    stream           TEXT    NOT NULL,
    chain            TEXT    NOT NULL,
    request          TEXT    NOT NULL,
    fingerprint      TEXT    NOT NULL,
    kickoff_instant  INTEGER NOT NULL,
    server_date      INTEGER,
    since            INTEGER,
    phase            TEXT    NOT NULL CHECK (phase IN (
        'intent', 'accepted', 'manifested', 'delivered', 'concluded',
        'completed', 'failed', 'abandoned')),
    status_url       TEXT,
    manifest         TEXT,
    transaction_time INTEGER,
    failure          TEXT,
    report           TEXT,
    finished_at      INTEGER,
    CHECK ((finished_at IS NOT NULL) = (phase IN ('completed', 'failed', 'abandoned')))
) STRICT;

-- A stream has at most one export under way.
CREATE UNIQUE INDEX export_unfinished ON export (stream) WHERE finished_at IS NULL;

CREATE TABLE file (
    export          INTEGER NOT NULL REFERENCES export (seq) ON DELETE CASCADE,
    file            INTEGER NOT NULL CHECK (file >= 0),
    array           TEXT    NOT NULL CHECK (array IN ('output', 'deleted', 'outcome')),
    resource_type   TEXT,
    count           INTEGER CHECK (count >= 0),
    state           TEXT    NOT NULL CHECK (state IN ('open', 'closed', 'failed')),
    failure         TEXT,
    durable_through INTEGER CHECK (durable_through >= 0),
    token           BLOB,
    prefix_hash     BLOB    CHECK (length(prefix_hash) = 16),
    tally           TEXT,
    PRIMARY KEY (export, file),
    CHECK ((durable_through IS NULL) = (token IS NULL)),
    CHECK ((durable_through IS NULL) = (prefix_hash IS NULL)),
    CHECK ((durable_through IS NULL) = (tally IS NULL)),
    CHECK (state <> 'closed' OR durable_through IS NOT NULL)
) STRICT;

CREATE TABLE quarantine (
    export        INTEGER NOT NULL,
    file          INTEGER NOT NULL,
    line          INTEGER NOT NULL CHECK (line >= 0),
    stage         TEXT    NOT NULL,
    resource_type TEXT,
    class         TEXT    NOT NULL,
    code          TEXT    NOT NULL,
    PRIMARY KEY (export, file, line, stage),
    FOREIGN KEY (export, file) REFERENCES file (export, file) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- `set_by` names an export without referring to it: watermarks outlive the journal's rows.
CREATE TABLE watermark (
    stream           TEXT    NOT NULL,
    resource_type    TEXT    NOT NULL,
    effective        INTEGER NOT NULL,
    set_by           TEXT    NOT NULL,
    transaction_time INTEGER,
    server_date      INTEGER,
    kickoff_instant  INTEGER NOT NULL,
    PRIMARY KEY (stream, resource_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE watermark_reset (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    stream  TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    removed INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT;

CREATE INDEX watermark_reset_stream ON watermark_reset (stream, seq);

CREATE TABLE state (
    namespace TEXT NOT NULL,
    key       TEXT NOT NULL,
    value     BLOB NOT NULL,
    PRIMARY KEY (namespace, key)
) STRICT;

-- Kept with every write: summing a full namespace would cost milliseconds a call.
CREATE TABLE state_usage (
    namespace TEXT    NOT NULL PRIMARY KEY,
    bytes     INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT, WITHOUT ROWID;
