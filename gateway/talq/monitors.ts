/**
 * Keeps every controller's monitoring document right: compiles what its lamp's type and the thresholds of the CMS say,
 * sends what differs from what the controller judges by, and looks again when a birth says otherwise.
 */

import { CommandKind } from '../../firmware/link/messages.ts';
import type { Controller, Fleet, Outcome } from '../fleet.ts';
import type { Log } from '../log.ts';
import {
  checkOf,
  compileMonitoring,
  type Limit,
  limitsOfLamp,
  MOST_LIMITS,
  type MonitoredLamp,
} from '../monitoring.ts';
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
  private readonly sending = new Map<string, { check: number; outcome: Promise<Outcome> }>();
  /** Check value of what each controller judges by; undefined: it was never given any. */
  private readonly inForce = new Map<string, number | undefined>();
  /** Of what each controller would not take. */
  private readonly refused = new Map<string, number>();

  constructor(
    private readonly model: Model,
    private readonly fleet: Fleet,
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
  bring(id: string): Promise<Outcome> {
    const document = this.wanted(id);
    if (document === undefined) return Promise.resolve('done');
    const check = checkOf(document);
    const sending = this.sending.get(id);
    if (sending?.check === check) return sending.outcome;
    const inForce = this.inForce.get(id);
    // One that was never told anything goes on by its own.
    if (!sending && (inForce === check || (check === 0 && inForce === undefined))) return Promise.resolve('done');
    if (this.refused.get(id) === check) return Promise.resolve('refused');
    const entry = { check, outcome: this.fleet.submit(id, { kind: CommandKind.Monitoring, monitoring: document }) };
    this.sending.set(id, entry);
    void entry.outcome.then((outcome) => {
      if (this.sending.get(id) === entry) this.sending.delete(id);
      if (outcome === 'done') this.inForce.set(id, check);
      if (outcome === 'done' || outcome === 'superseded') return;
      this.refused.set(id, check);
      this.log(`${id} did not take its monitoring document of ${document.length} bytes: ${outcome}`, 'warning');
    });
    return entry.outcome;
  }

  bringAll(): void {
    for (const id of this.fleet.controllers.keys()) void this.bring(id);
  }

  private born({ id, birth }: Controller): void {
    this.inForce.set(id, birth.monitoring);
    this.refused.delete(id);
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
