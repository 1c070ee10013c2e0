/**
 * What a gateway of the Lighting profile has to do, item by item: given → when → then. The numbers stand at the beginning of
 * the titles of tests. Source: TALQ 2.7.1, the sections named at each chapter, and its OpenAPI documents.
 */

export interface Item {
  id: number;
  text: string;
  /** Why it does not concern this gateway; then no test covers it. */
  inapplicable?: string;
}

export interface Chapter {
  name: string;
  /** Of the specification. */
  source: string;
  items: Item[];
}

export const CHECKLIST: Chapter[] = [
  {
    name: 'Transport and errors',
    source: 'TALQ 2.7.1 §3.3-3.6',
    items: [
      {
        id: 1,
        text: 'no talq-api-version → GET /devices → 400, array with key headerMissing; value 3.0.0 or abc → 400 headerValueNotValid',
      },
      {
        id: 2,
        text: 'header 2.6.3 → GET /devices → 200 without 2.7-only functions; header 2.9.0 → 200 (the peer adapts)',
      },
      {
        id: 3,
        text: 'no clientAddress → any call → 400 parameterMissing; malformed or unknown UUID → 400 parameterValueNotValid',
      },
      { id: 4, text: 'no talqRequestId → POST /calendars (any write) → 400 parameterMissing; same on GET → 200' },
      { id: 5, text: 'gatewayUri with and without trailing slash → same call → same result' },
      { id: 6, text: 'calendar id a/b c → GET /calendars/a%2Fb%20c → 200 with that calendar' },
      {
        id: 7,
        text: 'any response with a body → inspect → Content-Length present, not chunked, application/json, UTF-8',
      },
      {
        id: 8,
        text: 'body with Content-Encoding: gzip → POST /calendars → 201 and gzip-encoded answer; same for deflate',
      },
      { id: 9, text: 'no Content-Encoding → POST → plain answer even if the client sends Accept-Encoding' },
      { id: 10, text: 'Content-Encoding: br → POST → 415' },
      { id: 11, text: 'one HTTP/1.1 connection → two sequential requests → both served; Connection: close closes it' },
      { id: 12, text: 'TLS 1.1 → handshake → refused; TLS 1.2 and 1.3 → accepted; no client certificate → refused' },
      { id: 13, text: 'TLS-off test mode → any exchange → works, with Cache-Control: no-transform' },
      {
        id: 14,
        text: 'malformed JSON or schema error → POST /calendars → 400 payloadError, body is an array of TALQErrorMessage',
      },
      { id: 15, text: 'bulk PUT /devices with one unknown device → 404 and no device changed' },
      { id: 16, text: 'bulk POST of two calendars, the second invalid → error and the first does not exist' },
      { id: 17, text: 'unknown path → GET → 404; known path, undefined method → 405' },
      { id: 18, text: 'error caused by a resource → any 4xx → references[].address names it' },
      {
        id: 19,
        text: 'same talqRequestId and body twice → POST /calendars → second answer equals the first, one calendar exists',
      },
    ],
  },
  {
    name: 'Bootstrap and resync',
    source: 'TALQ 2.7.1 §5.1',
    items: [
      {
        id: 20,
        text: 'fresh GW with cmsUri → start → first request is POST /devices, NIL clientAddress, NIL address, GatewayFunction with four required attributes',
      },
      {
        id: 21,
        text: '1a answered → next → POST /device-classes with clientAddress = gatewayAddress and the gateway class',
      },
      {
        id: 22,
        text: '1b answered → next → PATCH /devices/<gatewayAddress> with all gateway attributes incl. gatewayUri',
      },
      { id: 23, text: 'steps 1-3 running → observe → no log report, no device announcement' },
      { id: 24, text: 'CMS PATCHes the gateway device with cmsAddress → 200/202 and the value is stored' },
      {
        id: 25,
        text: 'step 1 done → next → POST /services with at least Configuration, Control, DataCollect and supportedProfiles ∋ lighting',
      },
      { id: 26, text: 'step 2 done → next → POST /device-classes with the remaining classes, or []' },
      {
        id: 27,
        text: 'bootstrap done → next → types, then devices; every class and type was announced before its first use',
      },
      { id: 28, text: '1a answered with NIL address or error → then → GW stops and retries later from 1a' },
      { id: 29, text: '500 in step 2 → then → retries spaced by gatewayRetryPeriod, at most gatewayNumberOfRetries' },
      {
        id: 30,
        text: 'CMS DELETEs /devices/<gatewayAddress> → 200, all data of that CMS erased, bootstrap restarts with NIL',
      },
      {
        id: 31,
        text: 'GW reset by operator → then → GW DELETEs its device at the CMS, erases, restarts; physical device addresses unchanged',
      },
      { id: 32, text: 'GW power cycle → start → no new bootstrap, same gatewayAddress, log delivery resumes' },
      { id: 33, text: 'second CMS bootstraps (if supported) → then → first CMS receives newCmsAttached' },
      { id: 34, text: 'CMS A → GETs the GatewayFunction, calendars, loggers of CMS B → never visible' },
    ],
  },
  {
    name: 'Services, classes, devices',
    source: 'TALQ 2.7.1 §4.1, §4.3, §5.2-5.3, §5.10',
    items: [
      {
        id: 35,
        text: 'announced services → GET /services → same content; GET /services/ControlService → one object; unknown name → 404',
      },
      { id: 36, text: 'GET /device-classes, /count, /{name} → consistent with the announcement; unknown name → 404' },
      {
        id: 37,
        text: 'every device → compare with class → each function id has a FunctionDesc, each attribute and event is listed',
      },
      { id: 38, text: 'lamp class → inspect → Basic, LampActuator, LampMonitor with all M attributes/events' },
      { id: 39, text: 'gateway device → inspect → all GatewayFunction M attributes incl. retryPeriod, crlUrn' },
      {
        id: 40,
        text: 'firmware adds an attribute → then → PUT /device-classes precedes any device carrying it; removal → new class name',
      },
      {
        id: 41,
        text: 'new controller joins → then → POST /devices with UUID and all configuration attributes; decommissioned → DELETE',
      },
      { id: 42, text: 'GET /devices without pagination parameters → all devices' },
      {
        id: 43,
        text: 'GET /devices?offset=0&limit=10 → 10 devices and headers offset 0, count 10, totalCount n, defaultLimit d',
      },
      { id: 44, text: 'consecutive pages → disjoint, stable order; only offset → default limit; only limit → from 0' },
      { id: 45, text: 'offset beyond total → 200 [] with headers; negative → 400' },
      {
        id: 46,
        text: 'GET /devices?deviceClasses=a&deviceClasses=b → only those classes; /count with the filter agrees',
      },
      { id: 47, text: 'CMS POSTs device with NIL address → 201 and body carries a new UUID' },
      { id: 48, text: 'CMS POSTs device with own UUID → 201, UUID kept; again → 409 resourceConflict' },
      {
        id: 49,
        text: 'CMS POSTs NIL device indistinguishable from an existing one → 201 with the existing UUID; with own UUID → 409',
      },
      { id: 50, text: 'CMS POSTs device of unknown class → 422; with a function outside its class → rejected' },
      {
        id: 51,
        text: 'DELETE /devices/{d} → 200 with the device (or 202), then GET → 404; device in a group → 422 deletingResourceIsReferred',
      },
      { id: 52, text: 'PUT /devices without one optional function → GET → gone; PATCH re-adding it → present' },
      {
        id: 53,
        text: 'PATCH displayName only → other attributes and functions untouched; unknown vendor attribute → ignored',
      },
      { id: 54, text: "GW answered 202 → later → GW PATCHes the CMS with talqOriginRequestId = that request's id" },
    ],
  },
  {
    name: 'Attributes and functions',
    source: 'TALQ 2.7.1 §4.2, §5.2, §5.7',
    items: [
      {
        id: 55,
        text: 'GET any measurement → 200 Attribute with type, value, RFC 3339 timestamp of the field measurement',
      },
      { id: 56, text: 'unknown device, function or attribute → GET → 404 resourceNotFound' },
      { id: 57, text: 'GET function?attributeScope=measurement → only measurement attributes, case-insensitive' },
      { id: 58, text: 'device offline → GET measurement → last value with its old timestamp' },
      { id: 59, text: 'attribute never measured → GET → 200 without value' },
      { id: 60, text: 'PATCH a readOnly or measurement attribute → 200 and value unchanged' },
      { id: 61, text: 'PATCH LampMonitor.operatingHours = 0 → counts from 0' },
      { id: 62, text: 'PATCH beyond maxValue or outside enumValues → 422' },
      { id: 63, text: 'PATCH with wrong attribute type → 400; without type → accepted' },
      { id: 64, text: 'DateTime with Z, +02:00, fractions → accepted' },
      { id: 65, text: 'Basic.currentTime and Time.currentTime → GET → local time with offset, equal within 2 s' },
      {
        id: 66,
        text: 'LampMonitor.activePower (W) vs ElectricalMeter.totalPower (kW) → same load → ratio 1000; powerFactor within 0..1',
      },
      {
        id: 67,
        text: 'reboot=true without commandConfirmation → no reboot; with it → reboot and deviceReset',
        inapplicable: 'BasicFunction.reboot is optional and not offered: no class lists it.',
      },
      { id: 68, text: 'controller power-cycled → deviceReset event without startEndFlag' },
      { id: 69, text: 'lamp disconnected while on → lampFailure start; reconnected → end' },
      { id: 70, text: 'controller unreachable → communicationFailure start; back → end' },
    ],
  },
  {
    name: 'Control: commands',
    source: 'TALQ 2.7.1 §5.6, §5.8',
    items: [
      {
        id: 71,
        text: 'POST /override-commands 50 % to a device → 201/202; actualLightState 50 (± corrections); feedback reason override with cmsRefId',
      },
      { id: 72, text: 'override to device/function or device/function/attribute → only that actuator changes' },
      { id: 73, text: 'override to an unknown device → 422 and invalidAddress event' },
      { id: 74, text: 'override to a device without actuator → 422 overrideAddressNotValid' },
      { id: 75, text: 'TextState on a lamp, or level outside announced levels → 422 overrideCommandNotValid' },
      { id: 76, text: 'override with expiration → at expiry → back to program, feedback reason program' },
      { id: 77, text: "override A with expiration, then B without → A's expiry passes → B stays" },
      { id: 78, text: 'POST without targetCommand → back to program/default at once' },
      { id: 79, text: 'override with start +60 s → unchanged before, reached at start' },
      {
        id: 80,
        text: 'rampToLevelTime 10 → target reached 10 s after reception, monotonic; rampFromLevelTime 20 → program level 20 s after expiry',
      },
      { id: 81, text: 'new command during a ramp → ramp abandoned' },
      {
        id: 82,
        text: 'no addresses, reason sensor, known refAddress → programs with ExternalControlEffect react; other empty-address bodies → 422',
      },
      { id: 83, text: 'PATCH targetLightCommand → same effect as an override' },
      { id: 84, text: 'each effective change → lightStateChange as StateChangeEventLogData with command and state' },
      {
        id: 85,
        text: 'assign calendar to a device → 201/202; calendarID of all its actuators set; to device/function → only that one',
      },
      { id: 86, text: 'assign with empty addresses → 422; unknown calendar → 422 relatedResourceNotFound' },
      { id: 87, text: 'assign calendar to a device without actuators → 422 assignmentAddressNotValid' },
      { id: 88, text: 'assign lamp type DALI to a 1-10 V actuator → 422 assignmentEntityNotValid' },
      { id: 89, text: 'assign with entity.address "" → calendarID empty; lamp at defaultLightState' },
      { id: 90, text: "assign to group, then add a member → new member's calendarID unchanged" },
      {
        id: 91,
        text: 'assign answered 202, one device fails → PATCH lists successes; invalidCalendar event for the failed one',
      },
      {
        id: 92,
        text: 'no calendar, no override → level = defaultLightState (factory 100); PATCH it to 40 → 40, reason default',
      },
    ],
  },
  {
    name: 'Control: programs and calendars',
    source: 'TALQ 2.7.1 §4.3, §5.8',
    items: [
      {
        id: 93,
        text: 'POST program with AbsoluteActivePeriod and fixed times → 201; GET returns it unchanged; same id again → 409',
      },
      { id: 94, text: 'program without type, ownerCMS, activePeriods or fixedTimeControls → 400' },
      { id: 95, text: 'two fixed entries with equal startTime → 422' },
      {
        id: 96,
        text: 'option outside supportedTypes, or more calendars/programs/switch points than announced → 422 serviceConstraintExceeded',
      },
      {
        id: 97,
        text: 'DELETE program used by a calendar, or calendar used by an actuator → 422 deletingResourceIsReferred',
      },
      { id: 98, text: 'calendar with unknown program → 422 relatedResourceNotFound' },
      { id: 99, text: 'PUT of a program in use → lamp follows the new program' },
      {
        id: 100,
        text: 'outside all active periods → level 0; empty activePeriods or startTime = endTime → active all day',
      },
      { id: 101, text: "active 20:00-06:00, dayOffset 0 → 03:00 and 21:00 of a date follow that date's program" },
      { id: 102, text: "active 20:00-06:00, dayOffset 12 → 03:00 follows the previous date's program" },
      { id: 103, text: "before the first switch point → last value of the previous day's program" },
      {
        id: 104,
        text: 'programSecondsSupported=false → 10:30:15 executes at 10:30:00',
        inapplicable: 'The announced programSecondsSupported is true: seconds are executed, not cut off.',
      },
      { id: 105, text: 'astro period −5/+10 → on 5 min before sunset, off 10 min after sunrise (±1 min)' },
      { id: 106, text: 'two rules match → first one executed; none → defaultProgram' },
      { id: 107, text: 'endDate 24 Dec, dayOffset 12 → active on 25 Dec 03:00, not after noon' },
      { id: 108, text: 'ccDate ---31 → no match in June; --02-29 only in leap years; range end ≤ start → 422' },
      { id: 109, text: 'ccDay 1-5 → Monday to Friday; occurrences ["2"] → second only; ["L"] → last only' },
      { id: 110, text: 'DynamicControl Set with FixedControlEffect → raised → level set; lowered + holdTime → back' },
      { id: 111, text: 'two active dynamic controls → first listed wins' },
      { id: 112, text: 'override active → dynamic control without effect; after resume → effective' },
      { id: 113, text: 'spring and autumn clock change → results local times of the lamp' },
      { id: 114, text: 'calendar not executable on a device → invalidCalendar/invalidProgram and defaultLightState' },
      { id: 115, text: 'GW and network down over a switch point → controllers still switch on time' },
    ],
  },
  {
    name: 'Data collection',
    source: 'TALQ 2.7.1 §4.3, §5.5',
    items: [
      { id: 116, text: 'POST /logger-configs Event+Immediate → 201 empty; GET returns it; same address → 409' },
      { id: 117, text: 'sourceAddresses/sourceEvents truth table → all five rows → as listed' },
      {
        id: 118,
        text: 'Immediate delay 0 → report at once; delay 30 with two events 20 s apart → one report 30 s after the first',
      },
      { id: 119, text: 'report → inspect → address = logger; each entry data.type, srcAddress, timestamp' },
      { id: 120, text: 'period event → startEndFlag true then false; instant event → flag absent' },
      {
        id: 121,
        text: 'Vendor without content → GW-chosen attributes; content: [] → nothing; functionType + attributeScope → only matching ones',
      },
      { id: 122, text: 'onChangeThreshold 10 → changes ≤ 10 % not logged' },
      { id: 123, text: 'Periodic PT15M → samples at start + n·15 min within samplingAccuracy; end respected' },
      { id: 124, text: 'Periodic without samplingPeriod, start in the past → one immediate sample' },
      {
        id: 125,
        text: 'Scheduled 09:00 random 60 → one report between 09:00:00 and 09:01:00 local; nothing recorded → none',
      },
      {
        id: 126,
        text: 'CMS down → numberOfRetries attempts at gatewayRetryPeriod; later delivered once, in order, complete',
      },
      { id: 127, text: 'acknowledged entries → never sent again' },
      { id: 128, text: 'controller offline 1 h → after reconnection → entries with original timestamps' },
      {
        id: 129,
        text: 'GET /log-reports/{periodic} → fresh snapshot; {event} → unreported events; unknown → 404; /count → integer',
      },
      {
        id: 130,
        text: 'logger with foreign ownerCMS → 422; more than maximumDataLogs → 422 serviceConstraintExceeded',
      },
      { id: 131, text: 'logger on a group, group later changed → recorded devices unchanged until PUT of the logger' },
      { id: 132, text: 'activePeriods on a logger (if supported) → events outside are not recorded' },
      { id: 133, text: 'DELETE logger → 200 with the object; no further reports' },
      { id: 134, text: 'command with cmsRefId → resulting entries carry it' },
    ],
  },
  {
    name: 'Groups',
    source: 'TALQ 2.7.1 §5.4',
    items: [
      { id: 135, text: 'POST /groups with device, function and nested group → 201; unknown member → 422; cycle → 422' },
      {
        id: 136,
        text: 'PUT /groups/{g}/members → added, existing kept; PUT /groups/{g} → replaced; member count follows',
      },
      { id: 137, text: 'DELETE /groups/{g}/members/devices/{d} → 200 with the reference; unknown member → 404' },
      { id: 138, text: 'override to a group of groups → all lamps react' },
      { id: 139, text: 'DELETE a referenced group → 422; limits exceeded → 422; service not announced → 404' },
    ],
  },
  {
    name: 'Data packages and types',
    source: 'TALQ 2.7.1 §4.5, §5.9',
    items: [
      {
        id: 140,
        text: 'PUT /data-packages [{ownerCMS,packageId,releaseId,downloadUri}] → 200 without body; interrupted download resumes with Range',
      },
      {
        id: 141,
        text: 'incompatible release → releaseMismatch, nothing installed; corrupt package → packageChangeFailure, no device touched',
      },
      {
        id: 142,
        text: 'valid release → packageDownloaded, changingRelease, per device releaseChanged; swVersion PATCHed to the CMS',
        inapplicable:
          'Nothing installs releases in this version; no release is valid for any device, which releaseMismatch says.',
      },
      {
        id: 143,
        text: 'target failing its self-test → old version runs, changeReleaseFailure',
        inapplicable: 'Nothing installs releases in this version, so none can fail its self-test.',
      },
      {
        id: 144,
        text: 'update during the night → lamps keep their scheduled level',
        inapplicable: 'Nothing installs releases in this version, so no lamp is updated.',
      },
      {
        id: 145,
        text: 'GET /data-packages → installed packages; currentReleaseId updated',
        inapplicable:
          'Nothing installs releases in this version: GET /data-packages is empty, and currentReleaseId is not offered.',
      },
      {
        id: 146,
        text: 'POST /lamp-types → 201; assigned → thresholds effective; DELETE while used → 422; GW-owned type changed → PUT to the CMS',
      },
      {
        id: 147,
        text: 'minLightOutput 10, command 5 → not executed; virtualLightOutput 80, command 100 → physical 80; CLO curve 0 h 80 % → new lamp shows 80',
        inapplicable:
          'Optional; controllers make light as their board configuration says (test/control/light.test.ts). A type that asks for another light raises invalidLampType, see 146.',
      },
    ],
  },
];
