"""Counts what a cohort filter must let through, without the program and without its language.

Usage: independent_count.py FOLDER MEMBERS.CSV BASE

Prints, for each resource type of the folder's NDJSON files, how many lines are the cohort's and
the SHA-256 of those lines, sorted and joined by newlines.
"""

import csv
import gzip
import hashlib
import json
import pathlib
import sys

SHARED = {"Location", "Medication", "Organization", "Practitioner", "PractitionerRole"}
WHOSE = {
    "AllergyIntolerance": "patient",
    "CarePlan": "subject",
    "Condition": "subject",
    "Coverage": "beneficiary",
    "Device": "patient",
    "DiagnosticReport": "subject",
    "DocumentReference": "subject",
    "Encounter": "subject",
    "ExplanationOfBenefit": "patient",
    "Immunization": "patient",
    "MedicationRequest": "subject",
    "Observation": "subject",
    "Procedure": "subject",
    "RelatedPerson": "patient",
    "Task": "for",
}


def is_kept(resource, members, base):
    kind = resource["resourceType"]
    if kind in SHARED:
        return True
    if kind == "Patient":
        return resource["id"] in members
    reference = (resource.get(WHOSE[kind]) or {}).get("reference") or ""
    reference = reference.removeprefix(base + "/")
    parts = reference.split("/")
    return len(parts) >= 2 and parts[0] == "Patient" and parts[1] in members


def main():
    folder, members, base = sys.argv[1:]
    with open(members, newline="") as file:
        members = {row["id"] for row in csv.DictReader(file)}
    kept = {}
    for path in sorted(pathlib.Path(folder).iterdir()):
        opened = gzip.open(path) if path.suffix == ".gz" else open(path, "rb")
        with opened as file:
            for line in file.read().split(b"\n"):
                if line:
                    resource = json.loads(line)
                    if is_kept(resource, members, base):
                        kept.setdefault(resource["resourceType"], []).append(line)
    print(
        json.dumps(
            {
                kind: {
                    "lines": len(lines),
                    "sha256": hashlib.sha256(b"\n".join(sorted(lines))).hexdigest(),
                }
                for kind, lines in kept.items()
            }
        )
    )


main()
