"""Files of zones: read at start, and what is wrong with them is said before anything runs."""

import json
from pathlib import Path

from tests.server import Server
from tests.tocsin.command import run
from tests.tocsin.test_serving import SERVE

YARD = {
    "type": "Feature",
    "properties": {"name": "yard", "radius_m": 80},
    "geometry": {"type": "Point", "coordinates": [16.37, 48.21]},
}
ENDS = {"TOCSIN_ZONES": "geojson", "TOCSIN_RULES": "toml"}


def write(folder: Path, *features: object, rule: str = "yard") -> None:
    collection = {"type": "FeatureCollection", "features": features}
    (folder / "plant.geojson").write_text(json.dumps(collection))
    (folder / "tocsin.toml").write_text('zones = ["plant.geojson"]\nrules = ["plant.toml"]\n')
    (folder / "plant.toml").write_text(f"[[rule]]\nname = 'r'\nwhen = \"inside('{rule}')\"\n")


def test_zones_that_are_none_are_refused_at_start(tmp_path: Path):
    write(tmp_path, {**YARD, "geometry": {"type": "Point", "coordinates": [200, 0]}}, YARD, YARD)
    found = run(tmp_path, *SERVE)
    assert found.status == 2
    refusal = found.err
    assert "plant.geojson: zone 1 'yard': geometry.coordinates: longitude 200" in refusal
    assert "plant.geojson: zone 3: 'yard' is the name of another one too" in refusal


def test_a_rule_without_its_zone_is_refused_at_start(tmp_path: Path):
    write(tmp_path, YARD, rule="yrad")
    refusal = run(tmp_path, *SERVE).refusal()
    assert "unknown zone 'yrad' at column 8; did you mean yard? (rule 'r')" in refusal


def test_zones_of_files_are_there_and_stay_as_they_are(tmp_path: Path):
    write(tmp_path, YARD)
    files = {name: str(tmp_path / f"plant.{end}") for name, end in ENDS.items()}
    server = Server(tmp_path / "data", env=files).start()
    try:
        (zone,) = server.get("/api/zones")
        assert (zone["name"], zone["source"]) == ("yard", "file:plant.geojson")
        assert zone["rules"] == ["r"]
        assert server.send("PUT", "/api/zones/yard", YARD).status_code == 409
        assert server.send("DELETE", "/api/zones/yard").status_code == 409
    finally:
        server.stop()
    (tmp_path / "tocsin.toml").write_text('rules = ["plant.toml"]\n')
    assert "unknown zone 'yard'" in run(tmp_path, *SERVE).refusal()
