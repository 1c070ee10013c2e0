/** Paths of data packages. Source: TALQ 2.7.1 gateway API. */
import type { FastifyInstance } from 'fastify';
import type { Workshop } from './control-api.ts';
import { DataPackageBody, type Packages } from './packages.ts';
import { answer } from './protocol.ts';

/** @param packages undefined: there is no place to keep any, and no such service. @returns the paths and their methods */
export function addPackageRoutes(
  app: FastifyInstance,
  packages: Packages | undefined,
  { base, writer, write }: Workshop,
): Record<string, string[]> {
  if (!packages) return {};
  const path = `${base}/data-packages`;
  app.get(path, (_request, reply) => answer(reply, 200, packages.installed()));
  app.put<{ Body: DataPackageBody }>(path, { schema: { body: DataPackageBody } }, (request, reply) =>
    write(request, reply, async () => {
      await packages.order(writer(request).owner, [request.body].flat());
      return { status: 200 };
    }),
  );
  return { '/data-packages': ['GET', 'PUT'] };
}
