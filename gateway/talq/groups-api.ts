/** Paths of groups. Source: TALQ 2.7.1 gateway API. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import type { Workshop } from './control-api.ts';
import { refusal } from './errors.ts';
import { Group, type Groups, groupReference, type Keeper } from './groups.ts';
import { answer } from './protocol.ts';
import { IdParams, Reference } from './schemas.ts';

const MemberParams = Type.Object({ id: Type.String(), resource: Type.String(), member: Type.String() });
type MemberParams = Type.Static<typeof MemberParams>;

/** @returns the paths and their methods. */
export function addGroupRoutes(app: FastifyInstance, groups: Groups, shop: Workshop): Record<string, string[]> {
  const { base, write, count } = shop;
  const keeper = (request: FastifyRequest): Keeper => shop.writer(request);
  const path = `${base}/groups`;
  const body = Type.Array(Group);
  app.get(path, (request, reply) => answer(reply, 200, [...groups.of(keeper(request).owner).values()]));
  app.get(`${path}/count`, (request, reply) => count(request, reply, groups.of(keeper(request).owner).size));
  const stored = (request: FastifyRequest, sent: Group[]): Group[] =>
    sent.map(({ address }) => groups.find(keeper(request).owner, address));
  app.post<{ Body: Group[] }>(path, { schema: { body } }, (request, reply) =>
    write(request, reply, async () => {
      await groups.create(keeper(request), request.body);
      return { status: 201, body: stored(request, request.body) };
    }),
  );
  app.put<{ Body: Group[] }>(path, { schema: { body } }, (request, reply) =>
    write(request, reply, async () => {
      await groups.replace(keeper(request), request.body);
      return { status: 200, body: stored(request, request.body) };
    }),
  );
  const one = `${path}/:id`;
  const params = IdParams;
  app.get<{ Params: IdParams }>(one, { schema: { params } }, (request, reply) =>
    answer(reply, 200, groups.find(keeper(request).owner, request.params.id)),
  );
  app.put<{ Params: IdParams; Body: Group }>(one, { schema: { params, body: Group } }, (request, reply) =>
    write(request, reply, async () => {
      const { id } = request.params;
      groups.find(keeper(request).owner, id);
      if (request.body.address !== id) {
        throw refusal(422, 'resourceConflict', 'An address never changes.', groupReference(id));
      }
      await groups.replace(keeper(request), [request.body]);
      return { status: 200, body: groups.find(keeper(request).owner, id) };
    }),
  );
  app.delete<{ Params: IdParams }>(one, { schema: { params } }, (request, reply) =>
    write(request, reply, async () => ({
      status: 200,
      body: await groups.remove(keeper(request).owner, request.params.id),
    })),
  );
  const members = `${one}/members`;
  app.put<{ Params: IdParams; Body: Reference[] }>(
    members,
    { schema: { params, body: Type.Array(Reference) } },
    (request, reply) =>
      write(request, reply, async () => ({
        status: 200,
        body: await groups.addMembers(keeper(request), request.params.id, request.body),
      })),
  );
  app.get<{ Params: IdParams }>(`${members}/count`, { schema: { params } }, (request, reply) =>
    count(request, reply, groups.find(keeper(request).owner, request.params.id).members.length),
  );
  app.delete<{ Params: MemberParams }>(
    `${members}/:resource/:member`,
    { schema: { params: MemberParams } },
    (request, reply) =>
      write(request, reply, async () => {
        const { id, resource, member } = request.params;
        return { status: 200, body: await groups.removeMember(keeper(request), id, { resource, address: member }) };
      }),
  );
  return {
    '/groups': ['GET', 'POST', 'PUT'],
    '/groups/count': ['GET'],
    '/groups/:id': ['GET', 'PUT', 'DELETE'],
    '/groups/:id/members': ['PUT'],
    '/groups/:id/members/count': ['GET'],
    '/groups/:id/members/:resource/:member': ['DELETE'],
  };
}
