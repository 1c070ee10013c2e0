/**
 * Says which monitoring document each controller should have: compiles what its lamp's type and the thresholds of the CMS
 * say.
 */

import type { Configurations } from '../configurations.ts';
import type { Controller, Fleet, Outcome } from '../fleet.ts';
import type { Log } from '../log.ts';
import { compileMonitoring, type Limit, limitsOfLamp, MOST_LIMITS, type MonitoredLamp } from '../monitoring.ts';
import { deviceReference, refusal } from './errors.ts';
import type { DeviceView, Model } from './model.ts';
import { type Threshold, thresholdsOf } from './notices.ts';
import { meteredUnits } from './places.ts';
import type { Plan } from './writes.ts';

/** Thresholds beyond these steps are none that anything could measure. */
const MOST_STEPS = 2 ** 31 - 1;
/** Attributes that say which lamp it is. */
const LAMP_TYPES = ['lampTypeId', 'luminaireTypeAddress'];

export class Monitors {
  /** What the lamp of a device is by its type; undefined: nobody has said. */
  lampOf: (device: DeviceView) => MonitoredLamp | undefined = () => undefined;
  /** What each controller would not take. */
  private readonly refused = new Map<string, Uint8Array>();

  constructor(
    private readonly model: Model,
    private readonly fleet: Fleet,
    private readonly configurations: Configurations,
    private readonly log: Log,
  ) {
    fleet.onChange((controller, change) => {
      if (change === 'birth') this.born(controller);
    });
  }

  /** Throws a Refusal when a controller could not watch all that these values ask for. */
  check(kept: Plan['kept']): void {
    for (const device of new Set(kept.map((entry) => entry.device))) {
      if (!device.controller) continue;
      const own = kept.filter((entry) => entry.device === device);
      const written = new Map(own.map(({ functionId, name, value }) => [`${functionId}/${name}`, value]));
      if (!this.concerns(device, own)) continue;
      const limits = this.limitsOf(device, written);
      for (const { attribute, functionId, code, unit } of thresholdsOf(device.controller.birth)) {
        const limit = limits.find((one) => one.code === code && one.unit === unit);
        if (!limit || Math.abs(limit.threshold) <= MOST_STEPS) continue;
        const reference = deviceReference(device.address, functionId, attribute);
        throw refusal(422, 'serviceConstraintExceeded', `Nothing can measure such a ${attribute}.`, reference);
      }
      if (limits.length <= MOST_LIMITS) continue;
      const message = `The controller watches ${MOST_LIMITS} limits, with its lamp's, not ${limits.length}.`;
      throw refusal(422, 'serviceConstraintExceeded', message, deviceReference(device.address));
    }
  }

  /** @returns whether values that a CMS wrote say how a device judges */
  concerns(device: DeviceView, kept: readonly { functionId: string; name: string }[]): boolean {
    if (!device.controller) return false;
    const thresholds = thresholdsOf(device.controller.birth);
    return kept.some(
      ({ functionId, name }) =>
        LAMP_TYPES.includes(name) || thresholds.some((one) => one.functionId === functionId && one.attribute === name),
    );
  }

  /** Brings a controller up to date; the promise may take as long as the controller is away. */
  async bring(id: string): Promise<Outcome> {
    const document = this.wanted(id);
    const outcome = await this.configurations.want(id, 'monitoring', document?.length ? document : undefined);
    if (document === undefined) return 'done';
    const refused = this.refused.get(id);
    if (outcome === 'done') this.refused.delete(id);
    if (outcome === 'done' || outcome === 'superseded') return outcome;
    if (refused === undefined || Buffer.compare(refused, document) !== 0) {
      this.refused.set(id, document);
      this.log(`${id} did not take its monitoring document of ${document.length} bytes: ${outcome}`, 'warning');
    }
    return outcome;
  }

  bringAll(): void {
    for (const id of this.fleet.controllers.keys()) void this.bring(id);
  }

  private born({ id }: Controller): void {
    // After the model has registered it.
    queueMicrotask(() => void this.bring(id));
  }

  /** @returns the document; empty: the product's own; undefined: it judges nothing */
  private wanted(id: string): Uint8Array | undefined {
    const device = this.model.byId(id);
    if (!device?.controller || device.controller.birth.events === undefined) return undefined;
    const limits = this.limitsOf(device);
    // A type that grew meanwhile: what the CMS wrote itself comes first.
    const most = limits.slice(0, MOST_LIMITS);
    if (most.length < limits.length) this.log(`${id} watches ${MOST_LIMITS} of ${limits.length} limits`, 'warning');
    return compileMonitoring({ lamp: this.lampOf(device), ...(most.length > 0 ? { limits: most } : {}) });
  }

  /** @param written values that are about to be kept, by function/attribute. @returns those of the CMS, then its lamp's */
  private limitsOf(device: DeviceView, written?: ReadonlyMap<string, unknown>): Limit[] {
    if (!device.controller) return [];
    const { birth } = device.controller;
    const value = ({ functionId, attribute }: Threshold): unknown => {
      const path = `${functionId}/${attribute}`;
      return written?.has(path) ? written.get(path) : this.model.read(device, functionId, attribute).value;
    };
    const own = thresholdsOf(birth).flatMap((threshold) => {
      const set = value(threshold);
      const { code, unit, steps } = threshold;
      return typeof set === 'number' ? [{ code, unit, threshold: Math.round(set * steps) }] : [];
    });
    const lamp = this.lampOf(device);
    return [...own, ...(lamp ? limitsOfLamp(lamp, meteredUnits(birth)[0] ?? 0) : [])];
  }
}
