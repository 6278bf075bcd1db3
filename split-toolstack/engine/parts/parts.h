/* SPDX-License-Identifier: BSD-3-Clause */
/* What the rooms of the engine find each other by: the host, the services, and what each room has
 * for itself, whose members its own files alone know. */
#ifndef CHAOS_ENGINE_PARTS_H
#define CHAOS_ENGINE_PARTS_H

#include "split-toolstack/engine/engine.h"

struct adoption;
struct deaths;
struct devices;
struct drops;
struct guests;
struct idle;
struct images;
struct memory;
struct opener;
struct pool;
struct ports;
struct registry;
struct sleepers;
struct slots;
struct streams;
struct vms;
struct worker;

/* --- the host and the settings --- */
/* engine.h: engine_xen(), engine_store_mode(), engine_snapshots() */
struct ev_loop *engine_loop(const struct engine *en);
const struct engine_conf *engine_settings(const struct engine *en);
const struct xen_host *engine_xen_host(const struct engine *en);
void engine_set_store(struct engine *en, enum store_mode mode); /* as it was decided */

/* --- services: called by their headers --- */
struct registry *engine_registry(const struct engine *en);
struct slots *engine_slots(const struct engine *en);
struct ports *engine_ports(const struct engine *en);
struct deaths *engine_deaths(const struct engine *en);
struct idle *engine_idle(const struct engine *en);     /* NULL: the engine closes */
struct worker *engine_worker(const struct engine *en); /* NULL: the engine closes */
struct opener *engine_opener(const struct engine *en);
struct images *engine_images(const struct engine *en);

/* --- rooms --- */
struct vms *engine_vms(const struct engine *en);
struct drops *engine_drops(const struct engine *en);   /* domain/drop.c */
struct memory *engine_memory(const struct engine *en); /* domain/memory.c */
struct devices *engine_devices(const struct engine *en);
struct guests *engine_guests(const struct engine *en);
struct pool *engine_pool(const struct engine *en);
struct adoption *engine_adoption(const struct engine *en); /* life/adopt.c */
struct streams *engine_streams(const struct engine *en);   /* life/streams.c */
struct sleepers *engine_sleepers(const struct engine *en); /* life/sleepers.c; NULL: no folder */
/* By the room itself, when it opens or closes. */
void engine_set_vms(struct engine *en, struct vms *part);
void engine_set_drops(struct engine *en, struct drops *part);
void engine_set_memory(struct engine *en, struct memory *part);
void engine_set_devices(struct engine *en, struct devices *part);
void engine_set_guests(struct engine *en, struct guests *part);
void engine_set_pool(struct engine *en, struct pool *part);
void engine_set_adoption(struct engine *en, struct adoption *part);
void engine_set_streams(struct engine *en, struct streams *part);
void engine_set_sleepers(struct engine *en, struct sleepers *part);

#endif
