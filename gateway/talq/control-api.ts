/** Paths of control programs, calendars and assign commands. Source: TALQ 2.7.1 gateway API. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Answer } from './answers.ts';
import { toAssigns } from './assign.ts';
import { Calendar, ControlProgram } from './control-objects.ts';
import { refusal } from './errors.ts';
import { type Item, type Kind, type Library, RESOURCES, referenceTo } from './library.ts';
import { answer } from './protocol.ts';
import { AssignCommand, IdParams } from './schemas.ts';
import { emptyPlan, type Plan, planTypes, type Writer } from './writes.ts';

/** Objects in one bulk request; the gateway keeps fewer. */
const MOST_ITEMS = 1000;

/** What the rest of the API lends to these paths. */
export interface Workshop {
  base: string;
  library: Library;
  writer(request: FastifyRequest): Writer;
  /** Does a write once, and answers it. */
  write(request: FastifyRequest, reply: FastifyReply, act: () => Promise<Answer>): Promise<FastifyReply>;
  count(request: FastifyRequest, reply: FastifyReply, value: number): FastifyReply;
  /** @returns 200, or 202 when lamps are not there yet and the CMS hears of it later. */
  carryOut(request: FastifyRequest, plan: Plan): Promise<Answer>;
}

/** @returns the paths and their methods. */
export function addControlRoutes(app: FastifyInstance, shop: Workshop): Record<string, string[]> {
  addObjects(app, shop, 'programs', ControlProgram);
  addObjects(app, shop, 'calendars', Calendar);
  const { base, library, writer, write } = shop;
  app.get(`${base}/assign-commands`, (request, reply) => answer(reply, 200, library.assigns(writer(request).owner)));
  app.post<{ Body: AssignCommand }>(`${base}/assign-commands`, { schema: { body: AssignCommand } }, (request, reply) =>
    write(request, reply, async () => {
      const context = writer(request);
      const { assigns, types } = toAssigns(context, request.body);
      const finished = shop.carryOut(request, { ...emptyPlan(), assigns, kept: planTypes(context, types) });
      await library.noteAssign(context.owner, request.body);
      return { status: (await finished).status === 200 ? 201 : 202 };
    }),
  );
  const paths: Record<string, string[]> = { '/assign-commands': ['GET', 'POST'] };
  for (const resource of Object.values(RESOURCES)) {
    paths[`/${resource}`] = ['GET', 'POST', 'PUT'];
    paths[`/${resource}/count`] = ['GET'];
    paths[`/${resource}/:id`] = ['GET', 'PUT', 'DELETE'];
  }
  return paths;
}

function addObjects(
  app: FastifyInstance,
  { base, library, writer, write, count }: Workshop,
  kind: Kind,
  schema: typeof ControlProgram | typeof Calendar,
): void {
  const path = `${base}/${RESOURCES[kind]}`;
  const body = Type.Array(schema, { maxItems: MOST_ITEMS });
  const owner = (request: FastifyRequest): string => writer(request).owner;
  app.get(path, (request, reply) => answer(reply, 200, [...library.of(owner(request), kind).values()]));
  app.get(`${path}/count`, (request, reply) => count(request, reply, library.of(owner(request), kind).size));
  app.post<{ Body: Item[] }>(path, { schema: { body } }, (request, reply) =>
    write(request, reply, async () => {
      await library.create(owner(request), kind, request.body);
      return { status: 201, body: request.body };
    }),
  );
  app.put<{ Body: Item[] }>(path, { schema: { body } }, (request, reply) =>
    write(request, reply, async () => {
      await library.replace(owner(request), kind, request.body);
      return { status: 200, body: request.body };
    }),
  );
  const one = `${path}/:id`;
  app.get<{ Params: IdParams }>(one, { schema: { params: IdParams } }, (request, reply) =>
    answer(reply, 200, library.find(owner(request), kind, request.params.id)),
  );
  app.put<{ Params: IdParams; Body: Item }>(one, { schema: { params: IdParams, body: schema } }, (request, reply) =>
    write(request, reply, async () => {
      const { id } = request.params;
      library.find(owner(request), kind, id);
      if (request.body.id !== id) {
        throw refusal(422, 'resourceConflict', 'An id never changes.', referenceTo(kind, id));
      }
      await library.replace(owner(request), kind, [request.body]);
      return { status: 200, body: request.body };
    }),
  );
  app.delete<{ Params: IdParams }>(one, { schema: { params: IdParams } }, (request, reply) =>
    write(request, reply, async () => ({
      status: 200,
      body: await library.remove(owner(request), kind, request.params.id),
    })),
  );
}
