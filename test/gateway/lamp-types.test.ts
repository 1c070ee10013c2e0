import assert from 'node:assert/strict';
import { monitoringOf } from '../../gateway/talq/lamp-types.ts';

const NAMED = { address: 't', name: 'T' };

describe('what a lamp type says about watching its lamp', () => {
  it('is in W, A, V, °C and s, as TALQ has it', () => {
    assert.deepEqual(
      monitoringOf({
        ...NAMED,
        controlType: '1-10V',
        wattage: 90.5,
        powerLightGradient: 1.1,
        lampPowerTolerance: 8,
        warmUpTime: 60,
        lowCurrentThreshold: 0.05,
        highCurrentThreshold: 0.6,
        lampPowerLowThreshold: 5,
        lampPowerHighThreshold: 110,
        lowLampVoltageThreshold: 40,
        highLampVoltageThreshold: 60,
        highTemperatureThreshold: 75,
        powerFactorThreshold: 0.9,
      }),
      {
        wattage: 90.5,
        gradient: 1.1,
        tolerance: 8,
        warmUp: 60,
        powerFactors: [{ level: 100, powerFactor: 0.9 }],
        lowCurrent: 0.05,
        highCurrent: 0.6,
        powerLow: 5,
        powerHigh: 110,
        lowLampVoltage: 40,
        highLampVoltage: 60,
        highTemperature: 75,
      },
    );
  });

  it('says nothing where the type says nothing', () => {
    assert.deepEqual(monitoringOf({ ...NAMED, controlType: 'Switch' }), {});
  });

  it('takes the curve of power factors before the single threshold', () => {
    const entries = [
      { powerFactor: 0.65, dimLevel: 0 },
      { powerFactor: 0.98, dimLevel: 100 },
    ];
    const type = {
      ...NAMED,
      controlType: 'Other' as const,
      powerFactorThreshold: 0.9,
      powerFactorThresholdDimmingCurve: { entries },
    };
    assert.deepEqual(monitoringOf(type).powerFactors, [
      { level: 0, powerFactor: 0.65 },
      { level: 100, powerFactor: 0.98 },
    ]);
  });

  it('expects of a luminaire type its powerConsumption, else its maximumPower', () => {
    assert.equal(monitoringOf({ ...NAMED, maximumPower: 95, powerConsumption: 88 }).wattage, 88);
    assert.equal(monitoringOf({ ...NAMED, maximumPower: 95 }).wattage, 95);
    assert.equal(monitoringOf({ ...NAMED }).wattage, undefined);
  });
});
