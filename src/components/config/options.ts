import { WeirOptions } from '../../types';
import { ConfigProps } from './secrets';

/** Changes settings; a member that is undefined is removed. */
export function changeOptions({ options, onOptionsChange }: ConfigProps, changes: Partial<WeirOptions>) {
  onOptionsChange({ ...options, jsonData: { ...options.jsonData, ...changes } });
}
