/** The TALQ gateway API over HTTP: paths and what they answer. Source: TALQ 2.7.1 gateway API. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { CommandKind } from '../../firmware/link/messages.ts';
import type { Clock } from '../clock.ts';
import type { Fleet } from '../fleet.ts';
import { openServer, type Tls } from '../http-server.ts';
import type { Log } from '../log.ts';
import { OnDemand } from '../on-demand.ts';
import type { Answer } from './answers.ts';
import type { Assign } from './assign.ts';
import type { AttributeSpec } from './attributes.ts';
import { checkUnused, createDevices, forgotten, planReplacement } from './commissioning.ts';
import { addControlRoutes } from './control-api.ts';
import { type Job, settle, tellWhenDone } from './dispatch.ts';
import { deviceReference, Refusal, refusal } from './errors.ts';
import type { EventFeed } from './feed.ts';
import type { FunctionSpec } from './functions.ts';
import type { Groups } from './groups.ts';
import { addGroupRoutes } from './groups-api.ts';
import type { Library } from './library.ts';
import type { Loggers } from './loggers.ts';
import { addLoggerRoutes } from './loggers-api.ts';
import type { DeviceView } from './model.ts';
import type { Monitors } from './monitors.ts';
import { give, toOrders } from './override.ts';
import { addPackageRoutes } from './package-api.ts';
import type { Packages } from './packages.ts';
import type { Callers } from './peers.ts';
import type { Promises } from './promised.ts';
import { answer, applyRules, LONGEST_BODY, toRefusal } from './protocol.ts';
import type { Reach } from './reach.ts';
import {
  AttributeBody,
  AttributeParams,
  ClassParams,
  CountQuery,
  DeviceBodies,
  DeviceBody,
  DeviceParams,
  DevicesQuery,
  FunctionBody,
  FunctionParams,
  FunctionQuery,
  NewDeviceBodies,
  OverrideCommand,
  ServiceParams,
} from './schemas.ts';
import { describeServices, limitsOf } from './services.ts';
import type { Timetables } from './timetables.ts';
import { addTypeRoutes } from './type-api.ts';
import type { TypeLibrary } from './type-library.ts';
import { adaptedTo, type Described } from './versions.ts';
import { emptyPlan, merge, type Plan, planAttribute, planDevice, planFunction, type Writer } from './writes.ts';

/** Where the API is. */
export const BASE = '/talq/gateway';
/** Devices in a page that names no limit, and in any page at most. */
const DEFAULT_LIMIT = 100;
const HIGHEST_LIMIT = 1000;

/** @returns the server, not yet listening. */
export function buildApi(options: {
  library: Library;
  groups: Groups;
  reach: Reach;
  promises: Promises;
  types: TypeLibrary;
  loggers: Loggers;
  feed: EventFeed;
  /** Absent: there is no place to keep packages. */
  packages?: Packages;
  timetables: Timetables;
  monitors: Monitors;
  fleet: Fleet;
  clock: Clock;
  callers: Callers;
  dayOffset: number;
  /** Resolves when everything that was changed is durable. */
  saved(): Promise<void>;
  longestBody?: number;
  /** Told of every answer; `resource`: the first part of the path of a route that there is, else 'unknown'. */
  observe?(method: string, resource: string, status: number, seconds: number): void;
  /** Absent: plain HTTP. */
  tls?: Tls;
  /** Whether this gateway still leads, where there are several. */
  leads(): boolean;
  log: Log;
}) {
  const { library, groups, reach, promises, types, loggers, feed, timetables, monitors, fleet, clock, callers } =
    options;
  const { tls, log, longestBody = LONGEST_BODY } = options;
  const app = Fastify({
    bodyLimit: longestBody,
    serverFactory: (handler) => openServer(handler, tls, log),
    // Who is being answered when the server closes gets the answer, and the end of the connection.
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 4096 },
    frameworkErrors: (error, _request, reply) => {
      const { status, messages } = toRefusal(error, log);
      answer(reply as FastifyReply, status, messages);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.addHook('onRequest', async (_request, reply) => {
    if (options.leads()) return;
    reply.header('retry-after', 2);
    throw refusal(503, 'genericError', 'Another gateway leads now.');
  });
  applyRules(app, { callers, longestBody, revocations: tls?.revocations, log });
  app.addHook('onResponse', async ({ is404, method, routeOptions }, reply) => {
    const resource = is404 ? undefined : routeOptions.url?.slice(BASE.length).split('/')[1];
    options.observe?.(method, resource ?? 'unknown', reply.statusCode, reply.elapsedTime / 1000);
  });
  app.addHook('onSend', async (request) => {
    // What is told of now will be so after a restart too.
    if (request.method === 'GET') await options.saved().catch(() => {});
  });

  const device = ({ peer }: FastifyRequest, address: string): DeviceView => {
    const found = peer.model.find(address);
    if (!found) throw refusal(404, 'resourceNotFound', 'There is no such device.', deviceReference(address));
    return found;
  };
  const functionOf = (view: DeviceView, id: string): FunctionSpec => {
    const spec = view.functions.find((entry) => entry.id === id);
    const reference = deviceReference(view.address, id);
    if (!spec) throw refusal(404, 'resourceNotFound', 'The device has no such function.', reference);
    return spec;
  };
  const attributeOf = (view: DeviceView, spec: FunctionSpec, name: string) => {
    const attribute = spec.attributes.find((entry) => entry.name === name);
    const reference = deviceReference(view.address, spec.id, name);
    if (!attribute) throw refusal(404, 'resourceNotFound', 'The function has no such attribute.', reference);
    return attribute;
  };
  const onDemand = new OnDemand(fleet, clock);
  /**
   * On-demand read: a CMS that asks for one device, one of its functions or attributes gets what is measured now, when a
   * measurement is among it and the lamp answers within 5 s, else what is known with the time at which it was measured.
   * Lists and pages are no on-demand read: they show thousands of devices as last reported, and poll none of them.
   * Source: TALQ 2.7.1 §4.3, where on-demand read is GET of a device, function or attribute by its address.
   */
  const freshen = async ({ controller }: DeviceView, attributes: AttributeSpec[]): Promise<void> => {
    if (controller && attributes.some(isFromField)) await onDemand.read(controller);
  };
  const filtered = ({ peer }: FastifyRequest, classes: string[] | undefined): DeviceView[] =>
    peer.model.devices().filter((view) => !classes || classes.includes(view.className));
  /** Does a write once, and answers it when what it changed is durable. */
  const write = async (request: FastifyRequest, reply: FastifyReply, act: () => Promise<Answer>) => {
    const { clientAddress, talqRequestId } = request.query as Record<string, string | undefined>;
    const key = talqRequestId && `${clientAddress} ${talqRequestId}`.toLowerCase();
    const what = `${request.method} ${request.url.split('?')[0]} ${JSON.stringify(request.body)}`;
    const { status, body } = await request.peer.answers.once(key, what, async () => {
      const done = await act().catch((error) => throwTold(request, error));
      await options.saved().catch((error: Error) => {
        log(`cannot store what a request changed: ${error.message}`, 'error');
        throw refusal(503, 'genericError', 'The gateway cannot store this now. Ask again.');
      });
      return done;
    });
    return answer(reply, status, body);
  };
  /** Who refers to what does not exist hears of it as an event too. Source: TALQ 2.7.1 §4.4. */
  const throwTold = (request: FastifyRequest, error: unknown): never => {
    const message = error instanceof Refusal ? error.messages[0] : undefined;
    if (message?.key === 'relatedResourceNotFound') {
      const { owner, now } = writer(request);
      const [unknown] = message.references ?? [];
      const info = [message.description, unknown?.address.resource, unknown?.address.address].filter(Boolean).join(' ');
      const body = request.body as { cmsRefId?: string; targetCommand?: { cmsRefId?: string } } | undefined;
      const cmsRefId = body?.targetCommand?.cmsRefId ?? body?.cmsRefId;
      feed.emit({ eventType: 'invalidAddress', phase: 'instant', time: now, info, cmsRefId, owner });
    }
    throw error;
  };
  const writer = (request: FastifyRequest): Writer => {
    const { clientAddress } = request.query as Record<string, string>;
    const { model } = request.peer;
    return { model, library, groups, types, timetables, owner: clientAddress.toLowerCase(), now: clock.now() };
  };
  /**
   * Waits for jobs as long as an answer may take. `strict`: throws a Refusal when a lamp refuses; `patient`: one that
   * fails is not told of; `lenient`: that a lamp fails has other causes.
   * @returns whether all were done; if not, the CMS hears of it later
   */
  const finish = async (request: FastifyRequest, jobs: Job[], manner: 'strict' | 'patient' | 'lenient') => {
    if (jobs.length === 0) return true;
    const ends = await settle(clock, jobs);
    const failed = ends?.filter(({ outcome }) => outcome !== 'done' && outcome !== 'superseded') ?? [];
    if (manner === 'strict' && failed.length > 0) {
      const references = failed.map((end) => deviceReference(end.device.address));
      throw refusal(422, 'overrideCommandNotValid', 'These lamps refused the command.', ...references);
    }
    const finished = ends !== undefined && (manner === 'lenient' || failed.length === 0);
    const { talqRequestId } = request.query as Record<string, string | undefined>;
    if (!finished && talqRequestId) {
      const { peer } = request;
      const { owner, now } = writer(request);
      promises.keep(owner, talqRequestId, now, jobs);
      tellWhenDone(clock, jobs, (devices) => void promises.tell(peer, devices, owner, talqRequestId));
    }
    // 202 came with 2.6: older peers only know that a command was taken.
    return finished || request.minor < 6;
  };
  const idOf = (view: DeviceView): string => view.controller?.id ?? '';
  const assign = async (request: FastifyRequest, assigns: Assign[]): Promise<boolean> => {
    const { owner, model } = writer(request);
    await Promise.all(
      assigns.map(({ device, calendar, cmsRefId }) => model.assign(idOf(device), owner, calendar, cmsRefId)),
    );
    const jobs = assigns.map(({ device }) => ({ device, outcome: timetables.bring(idOf(device)) }));
    return finish(request, jobs, 'patient');
  };
  const carryOut = async (request: FastifyRequest, plan: Plan): Promise<Answer> => {
    const { owner, model } = writer(request);
    monitors.check(plan.kept);
    const levels = plan.levels.map(({ device, level }) => ({
      device,
      outcome: timetables.setLevel(idOf(device), level),
      again: { level },
    }));
    const counters = plan.counters.map(({ device, counter, value }) => ({
      device,
      outcome: fleet.submit(idOf(device), { kind: CommandKind.Counters, counters: [counter, value] }),
      again: { counters: [counter, value] },
    }));
    const orders = [...give(model, fleet, clock, owner, plan.orders), ...levels, ...counters];
    const obeyed = await finish(request, orders, 'strict');
    for (const view of new Set(plan.kept.map((entry) => entry.device))) {
      await model.keep(
        view,
        owner,
        plan.kept.filter((entry) => entry.device === view),
      );
    }
    for (const view of new Set(plan.dropped.map((entry) => entry.device))) {
      await model.drop(
        view,
        plan.dropped.filter((entry) => entry.device === view),
      );
    }
    for (const [view, hidden] of plan.hidden) await model.hide(view, hidden);
    if (plan.kept.some((entry) => entry.device.controller === undefined)) request.peer.configured();
    const assigned = await assign(request, plan.assigns);
    const written = [...plan.kept, ...plan.dropped];
    const moved = written.filter(({ name }) => name === 'timeZone' || name === 'location');
    const everywhere = moved.some(({ device }) => device.controller === undefined);
    const concerned = everywhere ? model.devices() : [...new Set(moved.map((entry) => entry.device))];
    const jobs = concerned
      .filter((view) => view.controller)
      .map((view) => ({ device: view, outcome: timetables.bring(idOf(view)) }));
    const judging = [...new Set(written.map((entry) => entry.device))]
      .filter((view) =>
        monitors.concerns(
          view,
          written.filter((entry) => entry.device === view),
        ),
      )
      .map((view) => ({ device: view, outcome: monitors.bring(idOf(view)) }));
    const settled = await finish(request, [...jobs, ...judging], 'lenient');
    for (const [view, id] of plan.identities) {
      await model.identify(view, id);
      void monitors.bring(id);
    }
    return { status: obeyed && assigned && settled ? 200 : 202 };
  };
  const early = { early: true };
  /** @returns the answer to a PUT: the devices as they are now, unless lamps are still to follow. */
  const replaced = (request: FastifyRequest, { status }: Answer, views: DeviceView[]): Answer => {
    const { model } = request.peer;
    if (status !== 200) return { status };
    return { status, body: views.map(({ address }) => adapted(request, model.toDevice(device(request, address)))) };
  };

  const services = (request: FastifyRequest) =>
    describeServices(limitsOf(fleet), options.dayOffset, options.packages !== undefined, request.minor);
  app.get(`${BASE}/services`, { config: early }, (request, reply) => answer(reply, 200, services(request)));
  app.get(`${BASE}/services/:serviceName`, { config: early, schema: { params: ServiceParams } }, (request, reply) => {
    const { serviceName } = request.params;
    const service = services(request).find((entry) => entry.name === serviceName);
    const reference = { resource: 'services', address: serviceName };
    if (!service) throw refusal(404, 'resourceNotFound', 'There is no such service.', reference);
    return answer(reply, 200, service);
  });

  app.get(`${BASE}/device-classes`, { config: early }, (request, reply) =>
    answer(
      reply,
      200,
      request.peer.model.classes().map((entry) => adapted(request, entry)),
    ),
  );
  app.get(`${BASE}/device-classes/count`, { config: early }, (request, reply) =>
    count(request, reply, request.peer.model.classes().length),
  );
  app.get(`${BASE}/device-classes/:className`, { config: early, schema: { params: ClassParams } }, (request, reply) => {
    const { className } = request.params;
    const found = request.peer.model.classes().find((entry) => entry.name === className);
    const reference = { resource: 'device-classes', address: className };
    if (!found) throw refusal(404, 'resourceNotFound', 'There is no such class.', reference);
    return answer(reply, 200, adapted(request, found));
  });

  app.get(`${BASE}/devices`, { schema: { querystring: DevicesQuery } }, (request, reply) => {
    const { deviceClasses, offset, limit } = request.query;
    const all = filtered(request, deviceClasses);
    const first = offset ?? 0;
    const paged = offset !== undefined || limit !== undefined;
    const page = paged ? all.slice(first, first + Math.min(limit ?? DEFAULT_LIMIT, HIGHEST_LIMIT)) : all;
    if (paged) {
      reply.headers({
        'pagination-offset': first,
        'pagination-defaultLimit': DEFAULT_LIMIT,
        'pagination-count': page.length,
        'pagination-totalCount': all.length,
      });
    }
    return answer(
      reply,
      200,
      page.map((view) => adapted(request, request.peer.model.toDevice(view))),
    );
  });
  app.patch(`${BASE}/devices`, { schema: { body: DeviceBodies } }, (request, reply) =>
    write(request, reply, async () => {
      const plan = emptyPlan();
      const views = request.body.map((body) => device(request, body.address));
      views.forEach((view, i) => {
        merge(plan, planDevice(writer(request), view, request.body[i]));
      });
      return carryOut(request, plan);
    }),
  );
  app.post(`${BASE}/devices`, { schema: { body: NewDeviceBodies } }, (request, reply) =>
    write(request, reply, async () => {
      const context = writer(request);
      const { devices, fresh, plan } = await createDevices(context, request.body);
      await request.peer.created(fresh);
      fleet.tellRoster();
      // What lamps are to be told waits for them; the CMS needs the addresses now.
      const { model, owner } = context;
      for (const view of fresh) {
        const kept = plan.kept.filter((entry) => entry.device === view);
        await model.keep(view, owner, kept);
      }
      await Promise.all(plan.assigns.map((one) => model.assign(idOf(one.device), owner, one.calendar)));
      return { status: 201, body: devices.map((view) => adapted(request, model.toDevice(view))) };
    }),
  );
  app.put(`${BASE}/devices`, { schema: { body: DeviceBodies } }, (request, reply) =>
    write(request, reply, async () => {
      const views = request.body.map((body) => device(request, body.address));
      const plan = emptyPlan();
      views.forEach((view, i) => {
        merge(plan, planReplacement(writer(request), view, request.body[i]));
      });
      return replaced(request, await carryOut(request, plan), views);
    }),
  );
  app.get(`${BASE}/devices/count`, { schema: { querystring: CountQuery } }, (request, reply) =>
    count(request, reply, filtered(request, request.query.deviceClasses).length),
  );

  const onDevice = { config: early, schema: { params: DeviceParams } };
  app.get(`${BASE}/devices/:deviceAddress`, onDevice, async (request, reply) => {
    const asked = device(request, request.params.deviceAddress);
    checkAttached(request, asked);
    await freshen(
      asked,
      asked.functions.flatMap(({ attributes }) => attributes),
    );
    // It may be another one by now, or none.
    const view = device(request, request.params.deviceAddress);
    return answer(reply, 200, adapted(request, request.peer.model.toDevice(view)));
  });
  app.patch(
    `${BASE}/devices/:deviceAddress`,
    { config: early, schema: { params: DeviceParams, body: DeviceBody } },
    (request, reply) =>
      write(request, reply, async () => {
        const view = device(request, request.params.deviceAddress);
        checkAttached(request, view);
        return carryOut(request, planDevice(writer(request), view, request.body));
      }),
  );
  // TALQ's text has PUT of one device, function and attribute, its document only PATCH: both are taken.
  app.put(`${BASE}/devices/:deviceAddress`, { schema: { params: DeviceParams, body: DeviceBody } }, (request, reply) =>
    write(request, reply, async () => {
      const view = device(request, request.params.deviceAddress);
      const done = await carryOut(request, planReplacement(writer(request), view, request.body));
      const { status, body } = replaced(request, done, [view]);
      return { status, body: (body as unknown[] | undefined)?.[0] };
    }),
  );
  app.put(
    `${BASE}/devices/:deviceAddress/:functionId`,
    { schema: { params: FunctionParams, body: FunctionBody } },
    (request, reply) =>
      write(request, reply, async () => {
        const view = device(request, request.params.deviceAddress);
        const spec = functionOf(view, request.params.functionId);
        const plan = planFunction(writer(request), view, spec, request.body);
        plan.dropped.push(...forgotten(writer(request), view, spec, request.body, plan));
        return carryOut(request, plan);
      }),
  );
  app.delete(`${BASE}/devices/:deviceAddress`, { schema: { params: DeviceParams } }, (request, reply) =>
    write(request, reply, async () => {
      const view = device(request, request.params.deviceAddress);
      const deleted = request.peer.model.toDevice(view);
      if (view.controller) {
        checkUnused(writer(request), view, loggers.mentioning(writer(request).owner, view.address));
        await request.peer.model.remove(view);
        await request.peer.deleted(view.address);
        fleet.tellRoster();
        return { status: 200, body: adapted(request, deleted) };
      }
      await request.peer.erase();
      return { status: 200, body: deleted };
    }),
  );
  app.get(
    `${BASE}/devices/:deviceAddress/:functionId`,
    { schema: { params: FunctionParams, querystring: FunctionQuery } },
    async (request, reply) => {
      const { deviceAddress, functionId } = request.params;
      const scope = request.query.attributeScope?.toLowerCase();
      const asked = device(request, deviceAddress);
      const { attributes } = functionOf(asked, functionId);
      await freshen(
        asked,
        attributes.filter((attribute) => scope === undefined || attribute.scope === scope),
      );
      const view = device(request, deviceAddress);
      return answer(reply, 200, request.peer.model.toFunction(view, functionOf(view, functionId), scope));
    },
  );
  app.patch(
    `${BASE}/devices/:deviceAddress/:functionId`,
    { schema: { params: FunctionParams, body: FunctionBody } },
    (request, reply) =>
      write(request, reply, async () => {
        const view = device(request, request.params.deviceAddress);
        const spec = functionOf(view, request.params.functionId);
        return carryOut(request, planFunction(writer(request), view, spec, request.body));
      }),
  );
  app.get(
    `${BASE}/devices/:deviceAddress/:functionId/:attributeName`,
    { schema: { params: AttributeParams } },
    async (request, reply) => {
      const { deviceAddress, functionId, attributeName } = request.params;
      const asked = device(request, deviceAddress);
      await freshen(asked, [attributeOf(asked, functionOf(asked, functionId), attributeName)]);
      const view = device(request, deviceAddress);
      const spec = functionOf(view, functionId);
      return answer(reply, 200, request.peer.model.toAttribute(view, spec, attributeOf(view, spec, attributeName)));
    },
  );
  app.route<{ Params: AttributeParams; Body: AttributeBody }>({
    method: ['PATCH', 'PUT'],
    url: `${BASE}/devices/:deviceAddress/:functionId/:attributeName`,
    schema: { params: AttributeParams, body: AttributeBody },
    handler: (request, reply) =>
      write(request, reply, async () => {
        const view = device(request, request.params.deviceAddress);
        const spec = functionOf(view, request.params.functionId);
        const attribute = attributeOf(view, spec, request.params.attributeName);
        return carryOut(request, planAttribute(writer(request), view, spec, attribute, request.body));
      }),
  });
  app.post(`${BASE}/override-commands`, { schema: { body: OverrideCommand } }, (request, reply) =>
    write(request, reply, async () => {
      const context = writer(request);
      const orders = toOrders(context, request.body);
      const manner = orders.some(({ sensor }) => sensor !== undefined) ? 'patient' : 'strict';
      const groups = reach.numbersOf(context.owner, request.body.addresses ?? [], orders);
      const jobs = give(context.model, fleet, clock, context.owner, orders, groups);
      return { status: (await finish(request, jobs, manner)) ? 201 : 202 };
    }),
  );

  const shop = { base: BASE, library, writer, write, count, carryOut };
  const paths: Record<string, string[]> = {
    ...addControlRoutes(app as unknown as FastifyInstance, shop),
    ...addGroupRoutes(app as unknown as FastifyInstance, groups, shop),
    ...addTypeRoutes(app as unknown as FastifyInstance, types, shop),
    ...addLoggerRoutes(app as unknown as FastifyInstance, loggers, shop),
    ...addPackageRoutes(app as unknown as FastifyInstance, options.packages, shop),
    '/services': ['GET'],
    '/services/:serviceName': ['GET'],
    '/device-classes': ['GET'],
    '/device-classes/count': ['GET'],
    '/device-classes/:className': ['GET'],
    '/devices': ['GET', 'POST', 'PUT', 'PATCH'],
    '/devices/count': ['GET'],
    '/devices/:deviceAddress': ['GET', 'PUT', 'PATCH', 'DELETE'],
    '/devices/:deviceAddress/:functionId': ['GET', 'PUT', 'PATCH'],
    '/devices/:deviceAddress/:functionId/:attributeName': ['GET', 'PUT', 'PATCH'],
    '/override-commands': ['POST'],
  };
  for (const [path, methods] of Object.entries(paths)) {
    app.route({
      method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'].filter(
        (method) => !methods.includes(method),
      ),
      url: `${BASE}${path}`,
      config: { allow: methods.join(', ') },
      handler: () => {},
    });
  }
  return app;

  /** While the gateway is being attached, only its own device is open. */
  function checkAttached({ peer }: FastifyRequest, view: DeviceView): void {
    if (peer.attaching && view.controller) {
      throw refusal(403, 'genericError', 'The gateway is still being attached to its CMS.');
    }
  }
}

/** A place is measured by nobody here: it is what a CMS wrote. */
const isFromField = ({ scope, name }: AttributeSpec): boolean => scope === 'measurement' && name !== 'location';

/** Counts are JSON, unless the client takes nothing but text. */
function count(request: FastifyRequest, reply: FastifyReply, value: number): FastifyReply {
  if (request.headers.accept?.trim() !== 'text/plain') return answer(reply, 200, value);
  return reply.type('text/plain; charset=utf-8').send(String(value));
}

/** @returns a device or a class without what the caller's version does not know. */
function adapted<T extends Described>(request: FastifyRequest, owner: T): T {
  return adaptedTo(request.minor, owner);
}
