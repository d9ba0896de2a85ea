/**
 * The face of the demo: its origins, its clients, and the configuration of the gateway between.
 *
 * Path: `holdfast demo` composes them; nothing else uses them.
 */

export { type DemoConfigParts, demoYaml } from './demo-config.ts';
export { EchoClients, EchoOrigin } from './echo.ts';
export { PageOrigin } from './page-origin.ts';
