/**
 * What the files of this directory start with: one scene for a file, ended behind its last test.
 *
 * Path: `shareScene` registers the hooks of node:test and hands out the scene.
 * Invariant: after the last test no connection, descriptor, chunk or timer is left in the gateway.
 */
import { after, before } from 'node:test';
import type { Owner } from '../harness.ts';
import { Scene, type SceneSetup } from '../tcp/scene.ts';
import { Pki } from './pki.ts';

/** What a file's tests share. */
export interface Shared {
  readonly owner: Owner;
  /** The scene, once the hooks ran. */
  scene: () => Scene;
}

/** Starts one scene for all tests of a file. */
export function shareScene(
  make: (pki: Pki, owner: Owner) => Promise<SceneSetup> | SceneSetup,
): Shared {
  const cleaners: (() => void | Promise<void>)[] = [];
  const owner: Owner = { after: (clean) => cleaners.unshift(clean) };
  let started: Scene | null = null;
  before(async () => {
    started = await Scene.start(owner, await make(new Pki(owner), owner));
  });
  after(async () => {
    try {
      await started?.expectNothingLeft();
    } finally {
      for (const clean of cleaners) {
        await clean();
      }
    }
  });
  const scene = (): Scene => {
    if (started === null) {
      throw new Error('the scene has not started');
    }
    return started;
  };
  return { owner, scene };
}

/** A listener on any port. */
export function listenerOf(name: string, cluster: string, tls: object, more: object = {}): object {
  return { name, bind: '127.0.0.1:0', cluster, tls, ...more };
}
