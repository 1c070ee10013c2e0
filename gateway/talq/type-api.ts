/** Paths of lamp, asset and DALI types: the same seven operations for each kind. Source: TALQ 2.7.1 gateway API. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type, { type TSchema } from 'typebox';
import type { Workshop } from './control-api.ts';
import { refusal } from './errors.ts';
import { answer } from './protocol.ts';
import { IdParams } from './schemas.ts';
import type { TypeLibrary } from './type-library.ts';
import { spellAsListed, TYPES, type TypeItem, type TypeResource } from './types.ts';

/** Types in one bulk request; the gateway keeps no more of a kind. */
const MOST_ITEMS = 1000;

/** @returns the paths and their methods. */
export function addTypeRoutes(app: FastifyInstance, types: TypeLibrary, shop: Workshop): Record<string, string[]> {
  const paths: Record<string, string[]> = {};
  for (const [resource, { schema, since }] of Object.entries(TYPES)) {
    addResource(app, types, shop, resource as TypeResource, schema, since);
    paths[`/${resource}`] = ['GET', 'POST', 'PUT'];
    paths[`/${resource}/count`] = ['GET'];
    paths[`/${resource}/:id`] = ['GET', 'PUT', 'DELETE'];
  }
  return paths;
}

/** Lists that are empty are answered as such, although the official document has a 404 for some of them. */
function addResource(
  app: FastifyInstance,
  types: TypeLibrary,
  { base, writer, write, count }: Workshop,
  resource: TypeResource,
  schema: TSchema,
  since: number,
): void {
  const path = `${base}/${resource}`;
  const one = `${path}/:id`;
  const list = Type.Array(schema, { maxItems: MOST_ITEMS });
  const owner = (request: FastifyRequest): string => writer(request).owner;
  /** A caller of an older version knows nothing of later kinds. */
  const known = async (request: FastifyRequest): Promise<void> => {
    if (request.minor < since) throw refusal(404, 'resourceNotFound', `${resource} came with 2.${since}.`);
  };
  const spell = async (request: FastifyRequest): Promise<void> => {
    await known(request);
    spellAsListed(Array.isArray(request.body) ? list : schema, request.body);
  };
  const bulk = { schema: { body: list }, preValidation: spell };
  app.get(path, { preValidation: known }, (request, reply) => answer(reply, 200, types.all(owner(request), resource)));
  app.get(`${path}/count`, { preValidation: known }, (request, reply) =>
    count(request, reply, types.all(owner(request), resource).length),
  );
  app.post<{ Body: TypeItem[] }>(path, bulk, (request, reply) =>
    write(request, reply, async () => {
      await types.create(owner(request), resource, request.body);
      return { status: 201, body: request.body };
    }),
  );
  app.put<{ Body: TypeItem[] }>(path, bulk, (request, reply) =>
    write(request, reply, async () => {
      await types.replace(owner(request), resource, request.body);
      return { status: 200, body: request.body };
    }),
  );
  const params = { params: IdParams };
  app.get<{ Params: IdParams }>(one, { schema: params, preValidation: known }, (request, reply) =>
    answer(reply, 200, types.find(owner(request), resource, request.params.id)),
  );
  app.put<{ Params: IdParams; Body: TypeItem }>(
    one,
    { schema: { ...params, body: schema }, preValidation: spell },
    (request, reply) =>
      write(request, reply, async () => {
        const { id } = request.params;
        types.find(owner(request), resource, id);
        if (request.body.address !== id) {
          throw refusal(422, 'resourceConflict', 'An address never changes.', { resource, address: id });
        }
        await types.replace(owner(request), resource, [request.body]);
        return { status: 200, body: request.body };
      }),
  );
  app.delete<{ Params: IdParams }>(one, { schema: params, preValidation: known }, (request, reply) =>
    write(request, reply, async () => ({
      status: 200,
      body: await types.remove(owner(request), resource, request.params.id),
    })),
  );
}
