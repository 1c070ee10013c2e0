/**
 * A curve given by points.
 * @param points `[x, y, …]` with ascending x, at least one point
 * @returns y, linear between points and constant outside
 */
export function interpolate(points: readonly number[], x: number): number {
  let i = 0;
  while (i < points.length && points[i] <= x) i += 2;
  if (i === 0) return points[1];
  const y = points[i - 1];
  if (i === points.length) return y;
  return y + ((points[i + 1] - y) * (x - points[i - 2])) / (points[i] - points[i - 2]);
}
