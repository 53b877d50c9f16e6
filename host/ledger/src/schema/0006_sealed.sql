-- What is kept of refused records, and files of records out of quarantine. Two tables' checks and
-- one key cannot be changed in place; foreign keys are off while this runs.

CREATE TABLE file_anew (
    export          INTEGER NOT NULL REFERENCES export (seq) ON DELETE CASCADE,
    file            INTEGER NOT NULL CHECK (file >= 0),
    array           TEXT    NOT NULL CHECK (array IN (
        'output', 'deleted', 'outcome', 'recalled', 'replayed')),
    resource_type   TEXT,
    count           INTEGER CHECK (count >= 0),
    state           TEXT    NOT NULL CHECK (state IN ('open', 'closed', 'failed')),
    failure         TEXT,
    durable_through INTEGER CHECK (durable_through >= 0),
    token           BLOB,
    prefix_hash     BLOB    CHECK (length(prefix_hash) = 16),
    tally           TEXT,
    unproven        INTEGER NOT NULL DEFAULT 0 CHECK (unproven IN (0, 1)),
    PRIMARY KEY (export, file),
    CHECK ((durable_through IS NULL) = (token IS NULL)),
    CHECK ((durable_through IS NULL) = (prefix_hash IS NULL)),
    CHECK ((durable_through IS NULL) = (tally IS NULL)),
    CHECK (state <> 'closed' OR durable_through IS NOT NULL)
) STRICT;

INSERT INTO file_anew
SELECT export, file, array, resource_type, count, state, failure, durable_through, token,
    prefix_hash, tally, unproven
FROM file;

DROP TABLE file;

ALTER TABLE file_anew RENAME TO file;

-- `segment` names the sealed file that holds the body; of a replayed record, until it is taken out
-- of there. `made_by` tells, of a body that a stage has changed, by which stages and settings.
-- `replay` names an export without referring to it: positions outlive it.
CREATE TABLE quarantine_anew (
    export        INTEGER NOT NULL,
    file          INTEGER NOT NULL,
    line          INTEGER NOT NULL CHECK (line >= 0),
    stage         TEXT    NOT NULL,
    part          INTEGER NOT NULL CHECK (part >= 0),
    resource_type TEXT,
    class         TEXT    NOT NULL,
    code          TEXT    NOT NULL,
    kept          TEXT    NOT NULL CHECK (kept IN (
        'again', 'failed', 'full', 'off', 'replayed', 'rule', 'sealed')),
    segment       TEXT,
    made_by       TEXT,
    replay        TEXT,
    replay_file   INTEGER,
    replay_line   INTEGER,
    PRIMARY KEY (export, file, line, stage, part),
    FOREIGN KEY (export, file) REFERENCES file (export, file) ON DELETE CASCADE,
    CHECK (kept <> 'sealed' OR segment IS NOT NULL),
    CHECK ((replay IS NULL) = (replay_file IS NULL)),
    CHECK ((replay IS NULL) = (replay_line IS NULL))
) STRICT, WITHOUT ROWID;

INSERT INTO quarantine_anew
SELECT export, file, line, stage, 0, resource_type, class, code, 'off', NULL, NULL, NULL, NULL, NULL
FROM quarantine;

DROP TABLE quarantine;

ALTER TABLE quarantine_anew RENAME TO quarantine;

CREATE INDEX quarantine_replay ON quarantine (replay, replay_file, replay_line)
WHERE replay IS NOT NULL;
