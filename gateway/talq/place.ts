/** Where devices are. */

/** Degrees, north and east positive; m above sea level. */
export interface Place {
  latitude: number;
  longitude: number;
  altitude?: number;
}

/** m, mean radius of the Earth. Source: IUGG, Moritz 2000, Geodetic Reference System 1980. */
const RADIUS = 6371008.8;

/** @returns whether a place is on the globe. */
export function onEarth({ latitude, longitude }: Place): boolean {
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
}

/** @returns m between two places along the sphere, by the haversine formula. */
export function distanceOf(a: Place, b: Place): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const half = (from: number, to: number): number => Math.sin(radians(to - from) / 2) ** 2;
  const cosines = Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude));
  const square = half(a.latitude, b.latitude) + cosines * half(a.longitude, b.longitude);
  return 2 * RADIUS * Math.asin(Math.min(1, Math.sqrt(square)));
}
