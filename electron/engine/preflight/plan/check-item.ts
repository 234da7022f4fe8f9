/** The items of a preflight's list. */
import type { CheckFix, CheckItem } from '../../../contract/model.ts';

export function pass(check: string, found: string): CheckItem {
  return { check, verdict: 'pass', found, nextStep: null, fix: null };
}

/** Works, but will hurt. */
export function warn(check: string, found: string, nextStep: string, fix: CheckFix | null = null): CheckItem {
  return { check, verdict: 'warn', found, nextStep, fix };
}

/** A node must not live there as it is. */
export function fail(check: string, found: string, nextStep: string, fix: CheckFix | null = null): CheckItem {
  return { check, verdict: 'fail', found, nextStep, fix };
}

/** The host did not tell, or could not be asked. */
export function unknown(check: string, found: string, nextStep: string | null): CheckItem {
  return { check, verdict: 'unknown', found, nextStep, fix: null };
}
