-- Files that the host wrote itself: resources that it calls back. A table's check cannot be
-- changed in place; foreign keys are off while this runs.
CREATE TABLE file_anew (
    export          INTEGER NOT NULL REFERENCES export (seq) ON DELETE CASCADE,
    file            INTEGER NOT NULL CHECK (file >= 0),
    array           TEXT    NOT NULL
                    CHECK (array IN ('output', 'deleted', 'outcome', 'recalled')),
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

-- What of a file was held against the ledger of resources, as JSON of the app.
CREATE TABLE drift (
    export INTEGER NOT NULL,
    file   INTEGER NOT NULL,
    counts TEXT    NOT NULL,
    PRIMARY KEY (export, file),
    FOREIGN KEY (export, file) REFERENCES file (export, file) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
