/**
 * The official OpenAPI documents of TALQ 2.7.1 as judge of every request and answer in the gateway's tests. They are
 * not part of this repository: TALQ_OAS names their directory; without them the checks are skipped, loudly.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Ajv, { type ValidateFunction } from 'ajv';
import ajvFormats from 'ajv-formats';

const DIRECTORY = process.env.TALQ_OAS ?? fileURLToPath(new URL('../../../shared/talq/oas', import.meta.url));
const MODEL = 'talq-data-model-2-7-1-online.json';

// biome-ignore lint/suspicious/noExplicitAny: documents of other people, walked as they are
type Document = any;
export type Api = 'gateway' | 'cms';

export interface Exchange {
  method: string;
  /** below the base, without the query */
  path: string;
  query: Record<string, string | string[] | undefined>;
  headers: Record<string, string | string[] | undefined>;
  body?: unknown;
  status: number;
  answerHeaders: Record<string, string | string[] | undefined>;
  answer?: unknown;
}

const present = existsSync(`${DIRECTORY}/${MODEL}`);
const totals = { requests: 0, answers: 0, violations: 0, refused: 0 };
let model: Document;
let ajv: Ajv;
const apis: Partial<Record<Api, Document>> = {};
const compiled = new Map<object | string, ValidateFunction>();

function load(): void {
  if (ajv) return;
  ajv = new Ajv({ strict: false, allErrors: true, logger: false });
  ajvFormats(ajv);
  // TALQ's own formats, and its local times, which are not those of RFC 3339.
  for (const format of ['float', 'double', 'integer', 'time']) ajv.addFormat(format, true);
  model = JSON.parse(readFileSync(`${DIRECTORY}/${MODEL}`, 'utf8'));
  // Beside a $ref without a type, `nullable` is an error to ajv.
  delete model.components.schemas.AssignCommand.properties.entity.nullable;
  ajv.addSchema(model, MODEL);
  for (const api of ['gateway', 'cms'] as const) {
    const text = readFileSync(`${DIRECTORY}/talq-api-${api}-2-7-1-online.json`, 'utf8');
    apis[api] = JSON.parse(text.replaceAll('./talq-data-model', 'talq-data-model'));
  }
}

/** @returns what the document says of a function's attribute or event; undefined without the documents. */
export function describeAttribute(
  functionType: string,
  name: string,
): { type: string; unit: string; scope: string; mandatory: boolean } | undefined {
  if (!present) return undefined;
  load();
  const [reference, more] = propertiesOf(functionType)[name]?.allOf ?? [];
  if (!reference) return undefined;
  return {
    type: reference.$ref.split('/').pop(),
    unit: more['x-talq-unit'],
    scope: more['x-talq-scope'],
    mandatory: more['x-talq-profiles']?.[0]?.lighting?.gw === 'M',
  };
}

/** @returns the members of a type's schema in the document; none without the documents. */
export function propertiesOfType(
  name: string,
): Record<string, { type: string; enum?: string[]; minimum?: number; maximum?: number }> {
  if (!present) return {};
  load();
  return propertiesOf(name);
}

/** @returns all types of events that a log entry may have; none without the documents. */
export function eventTypes(): string[] {
  if (!present) return [];
  load();
  return model.components.schemas.EventType.enum;
}

/** @returns the attributes and events that a lighting gateway must have in a function; none without the documents. */
export function mandatoryAttributes(functionType: string): string[] {
  if (!present) return [];
  load();
  return Object.keys(propertiesOf(functionType)).filter((name) => describeAttribute(functionType, name)?.mandatory);
}

/**
 * Checks one exchange. @param bad the request breaks a rule of the document on purpose, and must be found to
 * @returns the violations
 */
export function check(api: Api, exchange: Exchange, bad = false): string[] {
  if (!present) return [];
  load();
  const operation = find(apis[api], exchange);
  const violations: string[] = [];
  const inRequest = operation ? checkRequest(operation, exchange) : ['no such operation'];
  totals.requests++;
  if (bad) {
    totals.refused++;
    if (inRequest.length === 0) violations.push('a request that should be wrong is right by the document');
  } else violations.push(...inRequest);
  totals.answers++;
  violations.push(...checkAnswer(operation, exchange));
  totals.violations += violations.length;
  return violations.map((text) => `${exchange.method} ${exchange.path}: ${text}`);
}

function find(api: Document, { method, path }: Exchange): Document {
  const segments = path.split('/').filter(Boolean);
  // Fixed segments before parameters, as OpenAPI wants.
  const candidates = Object.keys(api.paths)
    .filter((template) => {
      const parts = template.split('/').filter(Boolean);
      return parts.length === segments.length && parts.every((part, i) => part.startsWith('{') || part === segments[i]);
    })
    .sort((a, b) => (a.match(/{/g)?.length ?? 0) - (b.match(/{/g)?.length ?? 0));
  const template = candidates[0];
  const operation = template && api.paths[template][method.toLowerCase()];
  if (!operation) return undefined;
  const parameters: Record<string, string> = {};
  template
    .split('/')
    .filter(Boolean)
    .forEach((part, i) => {
      if (part.startsWith('{')) parameters[part.slice(1, -1)] = decodeURIComponent(segments[i]);
    });
  return { ...operation, given: parameters };
}

function checkRequest(operation: Document, exchange: Exchange): string[] {
  const found: string[] = [];
  for (const { name, in: place, required, schema } of operation.parameters ?? []) {
    let value: unknown = exchange.query[name];
    if (place === 'header') value = exchange.headers[name.toLowerCase()];
    if (place === 'path') value = operation.given[name];
    if (value === undefined) {
      if (required) found.push(`${place} ${name} is missing`);
      continue;
    }
    if (schema.type === 'integer') value = Number(value);
    if (schema.type === 'array' && !Array.isArray(value)) value = [value];
    found.push(...errors(schema, value, `${place} ${name}`));
  }
  const content = operation.requestBody?.content?.['application/json'];
  if (exchange.body !== undefined) {
    if (!content) found.push('a body where none is defined');
    else found.push(...errors(content.schema, exchange.body, 'body'), ...deep(exchange.body, 'body'));
  } else if (operation.requestBody?.required) found.push('the body is missing');
  return found;
}

const GENERAL = { type: 'array', items: { $ref: `${MODEL}#/components/schemas/TALQErrorMessage` } };

function checkAnswer(operation: Document, exchange: Exchange): string[] {
  const { status, answer, answerHeaders } = exchange;
  const found: string[] = [];
  const declared = operation?.responses?.[status];
  if (status < 400 && !declared) found.push(`status ${status} is not defined`);
  const type = String(answerHeaders['content-type'] ?? '').split(';')[0];
  const schema = status >= 400 ? GENERAL : declared?.content?.[type]?.schema;
  if (schema) {
    found.push(...errors(schema, answer, `answer ${status}`), ...deep(answer, `answer ${status}`));
  } else if (answer !== undefined) found.push(`answer ${status} has a body where none is defined`);
  if (status >= 400 && !Array.isArray(answer)) found.push('an error without its array');
  for (const [name, { schema: kind }] of Object.entries<Document>(declared?.headers ?? {})) {
    const value = answerHeaders[name.toLowerCase()];
    if (value !== undefined) found.push(...errors(kind, Number(value), `header ${name}`));
  }
  return found;
}

/** What a discriminator names is validated as such, and may have no members that its schema does not know. */
function deep(value: unknown, place: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => deep(item, `${place}/${i}`));
  if (typeof value !== 'object' || value === null) return [];
  const entry = value as Record<string, unknown>;
  const found = Object.entries(entry).flatMap(([name, item]) => deep(item, `${place}/${name}`));
  const byType = 'functionId' in entry ? undefined : entry.type;
  const byName =
    typeof entry.name === 'string' && /(State|Service|ActivePeriod)$/.test(entry.name) ? entry.name : undefined;
  for (const name of [byType, byName]) {
    if (typeof name !== 'string' || !model.components.schemas[name]) continue;
    found.push(...errors(name, value, `${place} as ${name}`));
    const known = propertiesOf(name);
    for (const member of Object.keys(entry)) if (!(member in known)) found.push(`${place}: ${name} has no ${member}`);
  }
  if ('functionId' in entry && 'events' in entry) {
    const known = propertiesOf(String(entry.type));
    const attributes = (entry.attributes as { name: string }[]).map(({ name }) => name);
    const events = (entry.events as { type: string }[]).map(({ type }) => type);
    for (const member of attributes) if (!(member in known)) found.push(`${place}: ${entry.type} has no ${member}`);
    // Generic events have no status attribute, and TALQ spells powerFactor… of meters otherwise in attributes.
    const named = [...Object.keys(known), ...model.components.schemas.fGenericEvents.enum];
    const spelled = new Set(named.map((name) => name.toLowerCase()));
    for (const member of events) {
      if (!spelled.has(member.toLowerCase())) found.push(`${place}: ${entry.type} has no ${member}`);
    }
  }
  return found;
}

function propertiesOf(name: string): Record<string, Document> {
  const schema = model.components.schemas[name];
  const result: Record<string, Document> = { ...schema?.properties };
  for (const part of schema?.allOf ?? []) {
    Object.assign(result, part.$ref ? propertiesOf(part.$ref.split('/').pop()) : part.properties);
  }
  return result;
}

function errors(schema: object | string, value: unknown, place: string): string[] {
  let validate = compiled.get(schema);
  if (!validate) {
    validate = ajv.compile(typeof schema === 'string' ? { $ref: `${MODEL}#/components/schemas/${schema}` } : schema);
    compiled.set(schema, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map((error) => `${place}${error.instancePath} ${error.message}`);
}

after(() => {
  if (!present) {
    console.log(`skipped: official OpenAPI files absent (${DIRECTORY}); TALQ messages were not validated against them`);
    return;
  }
  console.log(
    `official OpenAPI: ${totals.requests} requests (${totals.refused} wrong on purpose) and ${totals.answers} answers validated, ${totals.violations} violations`,
  );
});
