/** Published and computed rises, sets and twilights, as instants in ms UTC. */

export interface Vector {
  readonly place: string;
  readonly latitude: number;
  readonly longitude: number;
  /** Label of the solar day, yyyy-mm-dd. */
  readonly date: string;
  readonly zenith: number;
  readonly rising: boolean;
  readonly expected: number | 'up' | 'down';
}

/** Place, latitude and longitude, solar day, zenith, rise, set (UTC). Tables round to the minute. */
const PUBLISHED = `
USNO 1|60, 0|2019-01-01|90.833|2019-01-01T09:02|2019-01-01T15:05
USNO 2|60, 0|2019-03-21|90.833|2019-03-21T06:00|2019-03-21T18:16
USNO 3|60, 0|2019-06-21|90.833|2019-06-21T02:36|2019-06-21T21:28
USNO 4|60, 0|2019-09-23|90.833|2019-09-23T05:46|2019-09-23T17:58
USNO 5|60, 0|2019-12-21|90.833|2019-12-21T09:02|2019-12-21T14:54
USNO 6|29, -81|2019-01-01|90.833|2019-01-01T12:18|2019-01-01T22:38
USNO 7|29, -81|2019-03-21|90.833|2019-03-21T11:27|2019-03-21T23:36
USNO 8|29, -81|2019-06-21|90.833|2019-06-21T10:26|
USNO 8|29, -81|2019-06-20|90.833||2019-06-21T00:26
USNO 9|29, -81|2019-12-21|90.833|2019-12-21T12:13|2019-12-21T22:31
USNO 10|-60, -150|2019-01-01|90.833|2019-01-01T12:43|
USNO 10|-60, -150|2018-12-31|90.833||2019-01-01T07:24
USNO 11|-60, -150|2019-06-21|90.833|2019-06-21T19:06|
USNO 11|-60, -150|2019-06-20|90.833||2019-06-21T00:58
USNO 12|-60, -150|2019-12-21|90.833|2019-12-21T12:32|
USNO 12|-60, -150|2019-12-20|90.833||2019-12-21T07:24
SPA 13|-35, 0|1996-07-05|90.833|1996-07-05T07:08:15|1996-07-05T17:01:04
SPA 14|-35, 0|2004-12-04|90.833|2004-12-04T04:38:57|2004-12-04T19:02:03
SPA 15 Golden|39.743, -105.178|2015-01-02|90.833|2015-01-02T14:21:55|2015-01-02T23:47:43
SPA 16 Golden|39.743, -105.178|2015-08-02|90.833|2015-08-02T12:00:27|2015-08-03T02:13
USNO 17 Orlando|28.538, -81.379|2022-01-22|96|2022-01-22T11:52|2022-01-22T23:21
USNO 17 Orlando|28.538, -81.379|2022-01-22|102|2022-01-22T11:23|2022-01-22T23:50
USNO 17 Orlando|28.538, -81.379|2022-01-22|108|2022-01-22T10:55|2022-01-23T00:18
USNO 18 Orlando|28.538, -81.379|2022-06-20|96|2022-06-20T10:01|2022-06-21T00:52
USNO 18 Orlando|28.538, -81.379|2022-06-20|102|2022-06-20T09:28|2022-06-21T01:25`;

/** Transits of the SPA rows. */
export const TRANSITS: readonly [number, string][] = [
  [0, '1996-07-05T12:04:36Z'],
  [0, '2004-12-04T11:50:22Z'],
  [-105.178, '2015-01-02T19:04:45Z'],
];

/** Place, latitude and longitude, solar day, civil dawn, sunrise, sunset, civil dusk, nautical dawn/dusk. */
const COMPUTED = `
Brussels|50.8503, 4.3517|2025-03-20|05:12|05:45|17:56|18:29|04:34/19:08
Brussels|50.8503, 4.3517|2025-06-21|02:42|03:29|20:00|20:46|01:32/21:57
Brussels|50.8503, 4.3517|2025-12-21|07:03|07:43|15:39|16:18|06:21/17:01
London|51.5074, -0.1278|2025-06-21|02:55|03:43|20:22|21:09|01:41/22:24
London|51.5074, -0.1278|2025-12-21|07:24|08:04|15:54|16:34|06:40/17:17
Tromsø|69.6492, 18.9553|2025-03-20|03:43|04:43|17:02|18:03|02:26/19:21
Tromsø|69.6492, 18.9553|2025-06-21|up|up|up|up|up/up
Tromsø|69.6492, 18.9553|2025-12-21|08:31|down|down|12:53|06:47/14:38
Longyearbyen|78.2232, 15.6267|2025-03-20|03:04|04:50|17:24|19:12|up/up
Longyearbyen|78.2232, 15.6267|2025-06-21|up|up|up|up|up/up
Longyearbyen|78.2232, 15.6267|2025-12-21|down|down|down|down|09:59/11:53
Reykjavik|64.1466, -21.9426|2025-03-20|06:40|07:28|19:44|20:32|05:42/21:31
Reykjavik|64.1466, -21.9426|2025-06-21|up|02:55|00:04(+1)|up|up/up
Reykjavik|64.1466, -21.9426|2025-12-21|10:03|11:22|15:30|16:49|08:54/17:58
Quito|-0.1807, -78.4678|2025-06-21|10:50|11:12|23:19|23:42|10:24/00:08(+1)
Quito|-0.1807, -78.4678|2025-12-21|10:46|11:08|23:16|23:39|10:19/00:05(+1)
Nairobi|-1.2921, 36.8219|2025-06-21|03:11|03:33|15:36|15:59|02:44/16:25
Nairobi|-1.2921, 36.8219|2025-12-21|03:02|03:25|15:37|15:59|02:36/16:26
Singapore|1.3521, 103.8198|2025-06-21|22:38(-1)|23:01(-1)|11:13|11:35|22:12(-1)/12:01
Singapore|1.3521, 103.8198|2025-12-21|22:39(-1)|23:01(-1)|11:04|11:27|22:13(-1)/11:53
New Delhi|28.6139, 77.2090|2025-06-21|23:27(-1)|23:54(-1)|13:52|14:19|22:54(-1)/14:52
New Delhi|28.6139, 77.2090|2025-12-21|01:14|01:40|11:59|12:25|00:44/12:54
Tokyo|35.6762, 139.6503|2025-06-21|18:56(-1)|19:26(-1)|10:00|10:31|18:18(-1)/11:08
Tokyo|35.6762, 139.6503|2025-12-21|21:19(-1)|21:47(-1)|07:32|08:00|20:47(-1)/08:32
Sydney|-33.8688, 151.2093|2025-03-20|19:33(-1)|19:58(-1)|08:07|08:32|19:04(-1)/09:01
Sydney|-33.8688, 151.2093|2025-06-21|20:32(-1)|21:00(-1)|06:54|07:22|20:01(-1)/07:53
Sydney|-33.8688, 151.2093|2025-12-21|18:12(-1)|18:41(-1)|09:06|09:35|17:36(-1)/10:11
Auckland|-36.8485, 174.7633|2025-06-21|19:05(-1)|19:34(-1)|05:12|05:41|18:32(-1)/06:13
Auckland|-36.8485, 174.7633|2025-12-21|16:27(-1)|16:58(-1)|07:40|08:10|15:49(-1)/08:49
Cape Town|-33.9249, 18.4241|2025-06-21|05:24|05:51|15:45|16:13|04:52/16:44
Cape Town|-33.9249, 18.4241|2025-12-21|03:03|03:32|17:57|18:26|02:27/19:02
Ushuaia|-54.8019, -68.3030|2025-03-20|09:59|10:35|22:45|23:21|09:16/00:03(+1)
Ushuaia|-54.8019, -68.3030|2025-06-21|12:14|12:59|20:11|20:57|11:26/21:44
Ushuaia|-54.8019, -68.3030|2025-12-21|06:54|07:51|01:11(+1)|02:09(+1)|up/up
Suva|-18.1248, 178.4501|2025-03-20|17:48(-1)|18:10(-1)|06:17|06:39|17:23(-1)/07:04
Suva|-18.1248, 178.4501|2025-06-21|18:13(-1)|18:37(-1)|05:39|06:03|17:46(-1)/06:30
Suva|-18.1248, 178.4501|2025-12-21|17:03(-1)|17:27(-1)|06:41|07:05|16:35(-1)/07:34
Kiritimati|1.8721, -157.4278|2025-03-20|16:13|16:34|04:40(+1)|05:01(+1)|15:49/05:25(+1)
Kiritimati|1.8721, -157.4278|2025-06-21|16:02|16:25|04:39(+1)|05:01(+1)|15:36/05:27(+1)
Kiritimati|1.8721, -157.4278|2025-12-21|16:05|16:28|04:29(+1)|04:51(+1)|15:39/05:17(+1)
Anchorage|61.2181, -149.9003|2025-06-21|up|12:20|07:43(+1)|up|up/up
Anchorage|61.2181, -149.9003|2025-12-21|18:12|19:14|00:42(+1)|01:44(+1)|17:12/02:44(+1)
Adak|51.8800, -176.6581|2025-06-21|14:39|15:27|08:10(+1)|08:59(+1)|13:21/10:16(+1)
Adak|51.8800, -176.6581|2025-12-21|19:11|19:52|03:38(+1)|04:19(+1)|18:28/05:02(+1)
New York|40.7128, -74.0060|2025-06-21|08:52|09:25|00:31(+1)|01:04(+1)|08:09/01:47(+1)
New York|40.7128, -74.0060|2025-12-21|11:46|12:17|21:32|22:03|11:11/22:37`;

const rows = (table: string) =>
  table
    .trim()
    .split('\n')
    .map((row) => row.split('|'));

/** hh:mm with (-1) or (+1) for the neighbouring UTC day. */
function instant(date: string, text: string): number | 'up' | 'down' {
  if (text === 'up' || text === 'down') return text;
  const shift = text.includes('(-1)') ? -1 : text.includes('(+1)') ? 1 : 0;
  return Date.parse(`${date}T${text.slice(0, 5)}:00Z`) + shift * 86_400_000;
}

/** Rises and sets of the U.S. Naval Observatory and of NREL's SPA. */
export const published: readonly Vector[] = rows(PUBLISHED).flatMap(([place, position, date, zenith, rise, set]) => {
  const [latitude, longitude] = position.split(',').map(Number);
  const common = { place, latitude, longitude, date, zenith: Number(zenith) };
  const found: Vector[] = [];
  if (rise) found.push({ ...common, rising: true, expected: Date.parse(`${rise}Z`) });
  if (set) found.push({ ...common, rising: false, expected: Date.parse(`${set}Z`) });
  return found;
});

/** The same from an ephemeris that was checked against 2190 rows of those tables, for places all over the world. */
export const computed: readonly Vector[] = rows(COMPUTED).flatMap(
  ([place, position, date, civilDawn, sunrise, sunset, civilDusk, nautical]) => {
    const [latitude, longitude] = position.split(',').map(Number);
    const [nauticalDawn, nauticalDusk] = nautical.split('/');
    const vector = (zenith: number, rising: boolean, text: string) => ({
      place,
      latitude,
      longitude,
      date,
      zenith,
      rising,
      expected: instant(date, text),
    });
    return [
      vector(96, true, civilDawn),
      vector(90.833, true, sunrise),
      vector(90.833, false, sunset),
      vector(96, false, civilDusk),
      vector(102, true, nauticalDawn),
      vector(102, false, nauticalDusk),
    ];
  },
);
