import { expect, test } from "vitest";
import { drawable, excerpt, nameIn, pathIn, placeOf, readGeoJson } from "./geojson";

const RING = [
  [16, 48],
  [17, 48],
  [17, 49],
  [16, 48],
];
const POLYGON = { type: "Polygon", coordinates: [RING] };

test("a Feature, a collection and a bare geometry are read", () => {
  const [feature] = readGeoJson(JSON.stringify({ type: "Feature", properties: { name: "yard" }, geometry: POLYGON }));
  expect(feature && nameIn(feature)).toBe("yard");
  const [bare] = readGeoJson(JSON.stringify(POLYGON));
  expect(bare).toEqual({
    feature: { type: "Feature", properties: {}, geometry: POLYGON },
    within: [],
    isBare: true,
  });
  const both = readGeoJson(
    JSON.stringify({ type: "FeatureCollection", features: [feature?.feature, { type: "Feature", geometry: POLYGON }] }),
  );
  expect(both.map(nameIn)).toEqual(["yard", ""]);
  expect(both.map(({ within }) => within)).toEqual([
    ["features", 0],
    ["features", 1],
  ]);
});

test.each(["", "[1]", '{"type": "FeatureCollection", "features": []}', '{"type": "Topology"}', "{"])(
  "%s is refused",
  (text) => expect(() => readGeoJson(text)).toThrow(),
);

test("only what has a shape is drawn", () => {
  const drawn = (geometry: unknown, properties = {}) =>
    drawable({ feature: { type: "Feature", properties, geometry }, within: [], isBare: false }) !== null;
  expect(drawn(POLYGON)).toBe(true);
  expect(drawn({ type: "MultiPolygon", coordinates: [[RING]] })).toBe(true);
  expect(drawn({ type: "Point", coordinates: [16, 48] }, { radius_m: 80 })).toBe(true);
  expect(drawn({ type: "Point", coordinates: [16, 48] })).toBe(false);
  expect(drawn({ type: "Polygon", coordinates: [[["x", 48]]] })).toBe(false);
  expect(drawn({ type: "Polygon", coordinates: 3 })).toBe(false);
  expect(drawn({ type: "Polygon", coordinates: [[...RING, [16, 148]]] }), "off the globe").toBe(false);
  expect(drawn(null)).toBe(false);
});

test("a path leads to its place in the text", () => {
  const text = `{"type": "Feature", "properties": {"na\\"me": "}]", "n": -1e3},
  "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [200, 1] ]]}}`;
  const at = (...path: (string | number)[]) => {
    const { from, to } = placeOf(text, path);
    return text.slice(from, to);
  };
  expect(at("geometry", "coordinates", 0, 1)).toBe("[200, 1]");
  expect(at("geometry", "coordinates", 0, 1, 0)).toBe("200");
  expect(at("properties", 'na"me')).toBe('"}]"');
  expect(at("properties", "n")).toBe("-1e3");
  expect(at("properties", "radius_m"), "what is missing: where it would be").toBe('{"na\\"me": "}]", "n": -1e3}');
  expect(at()).toBe(text);
});

test("an error of the server is found in what was pasted, whatever was around it", () => {
  const path = ["geometry", "coordinates", 0, 3];
  const whole = { feature: { type: "", properties: {}, geometry: null }, within: [], isBare: false };
  expect(pathIn(whole, path)).toEqual(path);
  expect(pathIn({ ...whole, isBare: true }, path)).toEqual(["coordinates", 0, 3]);
  expect(pathIn({ ...whole, within: ["features", 2] }, path)).toEqual(["features", 2, ...path]);
});

test("an excerpt shows a place with what is around it", () => {
  const text = '{\n  "coordinates": [[1, 2], [200, 1]]\n}';
  const from = text.indexOf("[200");
  expect(excerpt(text, { from, to: from + 8 })).toEqual(['"coordinates": [[1, 2], ', "[200, 1]", "]"]);
});
