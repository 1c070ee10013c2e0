/** Paths of loggers and their reports. Source: TALQ 2.7.1 gateway API. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Workshop } from './control-api.ts';
import type { Keeper } from './groups.ts';
import { LoggerConfig } from './logger-config.ts';
import type { Loggers } from './loggers.ts';
import { answer } from './protocol.ts';
import { IdParams } from './schemas.ts';

/** @returns the paths and their methods. */
export function addLoggerRoutes(app: FastifyInstance, loggers: Loggers, shop: Workshop): Record<string, string[]> {
  const { base, write, count } = shop;
  const keeper = (request: FastifyRequest): Keeper => shop.writer(request);
  const params = IdParams;
  const path = `${base}/logger-configs`;
  app.post<{ Body: LoggerConfig }>(path, { schema: { body: LoggerConfig } }, (request, reply) =>
    write(request, reply, async () => {
      await loggers.create(keeper(request), request.body);
      return { status: 201 };
    }),
  );
  app.get<{ Params: IdParams }>(`${path}/:id`, { schema: { params } }, (request, reply) =>
    answer(reply, 200, loggers.find(keeper(request).owner, request.params.id)),
  );
  app.put<{ Params: IdParams; Body: LoggerConfig }>(
    `${path}/:id`,
    { schema: { params, body: LoggerConfig } },
    (request, reply) =>
      write(request, reply, async () => {
        await loggers.replace(keeper(request), request.params.id, request.body);
        return { status: 200 };
      }),
  );
  app.delete<{ Params: IdParams }>(`${path}/:id`, { schema: { params } }, (request, reply) =>
    write(request, reply, async () => ({
      status: 200,
      body: await loggers.remove(keeper(request).owner, request.params.id),
    })),
  );
  const reports = `${base}/log-reports`;
  app.get(`${reports}/count`, (request, reply) => count(request, reply, loggers.count(keeper(request).owner)));
  app.get<{ Params: IdParams }>(`${reports}/:id`, { schema: { params } }, async (request, reply) =>
    answer(reply, 200, await loggers.pull(keeper(request).owner, request.params.id)),
  );
  return {
    '/logger-configs': ['POST'],
    '/logger-configs/:id': ['GET', 'PUT', 'DELETE'],
    '/log-reports/count': ['GET'],
    '/log-reports/:id': ['GET'],
  };
}
