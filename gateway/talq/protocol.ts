/**
 * TALQ's rules for every request, whatever it asks: versions, addresses, request ids, encodings, and errors as arrays.
 * Order of the checks: route, version, clientAddress, talqRequestId, encoding, JSON, schema, and then the handlers'.
 * Source: TALQ 2.7.1 §3.3-3.5.
 */

import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate, inflateRaw } from 'node:zlib';
import Ajv, { type ValidateFunction } from 'ajv';
import ajvFormats from 'ajv-formats';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type { Log } from '../log.ts';
import { certificateOf, isRevoked } from '../tls/client-certificate.ts';
import type { Revocations } from '../tls/revocations.ts';
import { Refusal, refusal } from './errors.ts';
import type { Callers, Peer } from './peers.ts';
import type { ErrorMessage } from './schemas.ts';

/** What this gateway speaks. */
export const VERSION = '2.7.1';
export const MINOR = 7;
/** Bytes of the longest body, also after decompression, unless the operator says otherwise. */
export const LONGEST_BODY = 1048576;

/** Levels of arrays and objects in a body; TALQ's own have about ten. */
const DEEPEST = 64;
/** s after which a CMS that asked for too much may ask again. */
const RETRY_AFTER = 10;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

declare module 'fastify' {
  interface FastifyRequest {
    /** MINOR of the version that the caller speaks, at most ours. */
    minor: number;
    /** The CMS that calls; set for every path of the API. */
    peer: Peer;
  }
  interface FastifyContextConfig {
    /** The path exists, this method does not; value of the Allow header. */
    allow?: string;
    /** A CMS may ask this while the gateway is being attached to it. */
    early?: boolean;
  }
}

/** What the rules depend on. */
export interface Rules {
  callers: Callers;
  /** Bytes of the longest body after decompression. */
  longestBody: number;
  /** Certificates that no longer count; absent without TLS. */
  revocations?: Revocations;
  log: Log;
}

/** Puts the rules in front of every route of `app`. */
export function applyRules(app: FastifyInstance, { callers, longestBody, revocations, log }: Rules): void {
  app.decorateRequest('minor', MINOR);
  app.decorateRequest('peer');
  app.setValidatorCompiler(compileValidator());
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request: FastifyRequest, body: Buffer) =>
    parseBody(request, body, longestBody),
  );
  app.addHook('onRequest', async (request, reply) => {
    reply.header('talq-api-version', VERSION);
    if (!revocations) reply.header('cache-control', 'no-transform');
    else if (isRevoked(request.raw.socket, revocations)) {
      reply.header('connection', 'close');
      throw refusal(403, 'genericError', 'This certificate is revoked.');
    }
    if (request.is404) return;
    const { allow, early } = request.routeOptions.config;
    if (allow !== undefined) {
      reply.header('allow', allow);
      throw refusal(405, 'genericError', `${request.method} is not defined here.`);
    }
    checkVersion(request, reply);
    const address = checkUuid(request, 'clientAddress');
    const peer = callers.find(address);
    if (!peer) throw refusal(400, 'parameterValueNotValid', 'clientAddress is unknown to this gateway.');
    const certificate = certificateOf(request.raw.socket);
    if (certificate && !peer.admits(certificate)) {
      throw refusal(403, 'genericError', 'This clientAddress belongs to another certificate.');
    }
    request.peer = peer;
    if (peer.attaching && !early) {
      throw refusal(403, 'genericError', 'The gateway is still being attached to its CMS.');
    }
    const query = request.query as Record<string, unknown>;
    // Request ids came with 2.6.
    if (WRITES.has(request.method) && (request.minor >= 6 || query.talqRequestId !== undefined)) {
      checkUuid(request, 'talqRequestId');
    }
    if (query.talqOriginRequestId !== undefined) checkUuid(request, 'talqOriginRequestId');
    encodingOf(request);
    await takeTurn(request, reply, longestBody);
  });
  app.addHook('onResponse', async ({ peer, routeOptions }, reply) => {
    peer?.budget.learn(routeOptions.url ?? '', Number(reply.getHeader('content-length') ?? 0));
  });
  app.addHook('onSend', async (request, reply, payload) => encode(request, reply, payload));
  app.setNotFoundHandler((request) => {
    throw refusal(404, 'resourceNotFound', `${request.url.split('?')[0]} does not exist.`);
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, messages } = toRefusal(error, log);
    // 422 came with 2.6.
    return answer(reply, status === 422 && request.minor < 6 ? 400 : status, messages);
  });
}

/** Sends a body as JSON of a known length; undefined: none. */
export function answer(reply: FastifyReply, status: number, body?: unknown): FastifyReply {
  reply.code(status);
  return body === undefined ? reply.send() : reply.type('application/json; charset=utf-8').send(JSON.stringify(body));
}

/** Waits until the CMS has room for another request, and gives the room back when the answer is gone. */
async function takeTurn(request: FastifyRequest, reply: FastifyReply, longestBody: number): Promise<void> {
  const { headers, peer, routeOptions } = request;
  const chunked = headers['transfer-encoding'] !== undefined;
  const length = chunked ? longestBody : Number(headers['content-length'] ?? 0);
  if (length > longestBody) return; // refused before anything of it is read
  const leave = await peer.budget.enter(routeOptions.url ?? '', length);
  if (!leave) {
    reply.header('retry-after', RETRY_AFTER);
    throw refusal(429, 'genericError', 'This CMS asks for too much at once.');
  }
  if (reply.raw.destroyed) leave();
  else reply.raw.once('close', leave);
}

function checkVersion(request: FastifyRequest, reply: FastifyReply): void {
  const given = request.headers['talq-api-version'];
  if (given === undefined) throw refusal(400, 'headerMissing', 'talq-api-version is missing.');
  const parts = /^(\d{1,4})\.(\d{1,4})\.(\d{1,4})$/.exec(String(given));
  if (parts?.[1] !== '2') {
    throw refusal(400, 'headerValueNotValid', `talq-api-version is not 2.x.y; this gateway speaks ${VERSION}.`);
  }
  request.minor = Math.min(Number(parts[2]), MINOR);
  // The side with the higher version adapts to the other.
  if (request.minor < MINOR) reply.header('talq-api-version', given);
}

function checkUuid(request: FastifyRequest, name: string): string {
  const value = (request.query as Record<string, unknown>)[name];
  if (value === undefined) throw refusal(400, 'parameterMissing', `${name} is missing.`);
  if (typeof value !== 'string' || !UUID.test(value)) {
    throw refusal(400, 'parameterValueNotValid', `${name} is not a UUID.`);
  }
  return value.toLowerCase();
}

function encodingOf(request: FastifyRequest): 'gzip' | 'deflate' | undefined {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase().trim();
  if (encoding === 'gzip' || encoding === 'deflate') return encoding;
  if (encoding === 'identity' || encoding === '') return undefined;
  throw refusal(415, 'genericError', 'Content-Encoding is none, gzip or deflate.');
}

const unpackGzip = promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip);
const unpackZlib = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflate);
const unpackRaw = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflateRaw);
const packGzip = promisify<Buffer, Buffer>(gzip);
const packZlib = promisify<Buffer, Buffer>(deflate);

async function parseBody(request: FastifyRequest, body: Buffer, longest: number): Promise<unknown> {
  const media = request.headers['content-type']?.split(';')[0].trim().toLowerCase();
  if (media && media !== 'application/json') throw refusal(415, 'genericError', 'Content-Type is application/json.');
  const encoding = encodingOf(request);
  const limit = { maxOutputLength: longest };
  try {
    let bytes = body;
    if (encoding === 'gzip') bytes = await unpackGzip(body, limit);
    // RFC 9110 section 8.4.1.2: the zlib format, but some clients send it bare.
    if (encoding === 'deflate') bytes = await unpackZlib(body, limit).catch(() => unpackRaw(body, limit));
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (depthOf(text) > DEEPEST) throw new Error(`more than ${DEEPEST} levels`);
    return JSON.parse(text);
  } catch (error) {
    throw refusal(400, 'payloadError', `The body is no JSON in UTF-8: ${(error as Error).message}`);
  }
}

/** @returns how deep arrays and objects are nested: what walks through a body recurses. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '"') quoted = !quoted;
    else if (quoted) at += character === '\\' ? 1 : 0;
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth--;
  }
  return deepest;
}

/** An answer has the encoding of its request, also where the client would accept another. */
async function encode(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
  if (typeof payload !== 'string' || payload === '') return payload;
  const encoding = (request.headers['content-encoding'] ?? '').toLowerCase().trim();
  if (encoding !== 'gzip' && encoding !== 'deflate') return payload;
  const bytes = Buffer.from(payload);
  const packed = await (encoding === 'gzip' ? packGzip(bytes) : packZlib(bytes));
  reply.headers({ 'content-encoding': encoding, 'content-length': packed.length });
  return packed;
}

interface Violation {
  keyword: string;
  message?: string;
  instancePath: string;
  /** What was wrong, and the part of the schema that says so. */
  data?: unknown;
  /** What the keyword asks for. */
  schema?: unknown;
  parentSchema?: { properties?: Record<string, { const?: unknown }> };
}

interface RequestError extends Error {
  validation?: Violation[];
  validationContext?: string;
  statusCode?: number;
  code?: string;
}

/** @returns the refusal for anything thrown on the way; what is not the caller's fault is logged. */
export function toRefusal(thrown: unknown, log: Log): { status: number; messages: ErrorMessage[] } {
  if (thrown instanceof Refusal) return thrown;
  const error = thrown as RequestError;
  const first = error.validation && mostTelling(error.validation);
  if (first) {
    const place = `${error.validationContext}${first.instancePath}`;
    const missing = first.keyword === 'required';
    const parameter = missing ? 'parameterMissing' : 'parameterValueNotValid';
    const key = error.validationContext === 'body' ? 'payloadError' : parameter;
    return refusal(400, key, `${place} ${first.message}${legalOf(first)}`);
  }
  if (error.code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return refusal(400, 'payloadError', 'The body is missing.');
  if (error.statusCode && error.statusCode < 500) return refusal(error.statusCode, 'genericError', error.message);
  log(`request failed: ${error.stack ?? error.message}`, 'error');
  return refusal(500, 'genericError', 'The gateway failed; see its log.');
}

/**
 * Of several kinds of object none fits: the violation that counts is that of the kind which the object says it is.
 * @returns undefined when there is none
 */
function mostTelling(violations: Violation[]): Violation | undefined {
  const meant = violations.find(({ keyword, data, parentSchema }) => {
    if (keyword === 'const' || keyword === 'anyOf') return false;
    const kinds = Object.entries(parentSchema?.properties ?? {}).filter(([, { const: kind }]) => kind !== undefined);
    return kinds.every(([name, { const: kind }]) => (data as Record<string, unknown> | null)?.[name] === kind);
  });
  const choices = violations.filter(({ keyword }) => keyword === 'anyOf');
  const deepest = choices.sort((a, b) => b.instancePath.length - a.instancePath.length)[0];
  return meant ?? deepest ?? violations[0];
}

/** @returns what would have been right, where that is one of a few values or kinds of object: `: …` */
function legalOf({ keyword, schema }: Violation): string {
  if (keyword === 'const') return `: ${JSON.stringify(schema)}`;
  if (keyword !== 'anyOf') return '';
  const kinds = (schema as { const?: unknown; properties?: Record<string, { const?: unknown }> }[]).flatMap((kind) => {
    if (kind.const !== undefined) return [JSON.stringify(kind.const)];
    const named = Object.entries(kind.properties ?? {}).find(([, property]) => property.const !== undefined);
    return named ? [`${named[0]} ${JSON.stringify(named[1].const)}`] : [];
  });
  return kinds.length > 0 ? `: ${kinds.join(', ')}` : '';
}

const EXACT = { strict: true, allErrors: false, verbose: true, removeAdditional: false, coerceTypes: false } as const;
/** Bodies are taken as they are; parameters are text and become what their schema says. */
const BODIES = new Ajv({ ...EXACT, allowUnionTypes: true });
const PARAMETERS = new Ajv({ ...EXACT, coerceTypes: 'array' });
for (const ajv of [BODIES, PARAMETERS]) ajvFormats(ajv);
/** By the schema's text: compiling all takes a quarter of a second, and tests start many gateways. */
const compiled = new Map<string, ValidateFunction>();

function compileValidator(): FastifySchemaCompiler<object> {
  return ({ schema, httpPart }) => {
    const ajv = httpPart === 'body' ? BODIES : PARAMETERS;
    const key = `${httpPart === 'body'} ${JSON.stringify(schema)}`;
    const validate = compiled.get(key) ?? ajv.compile(schema);
    compiled.set(key, validate);
    return validate;
  };
}
