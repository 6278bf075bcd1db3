/* SPDX-License-Identifier: BSD-3-Clause */
/* What the rooms of the engine find each other by: the services, and what each room has for itself.
 */
#ifndef CHAOS_ENGINE_ENGINE_T_H
#define CHAOS_ENGINE_ENGINE_T_H

#include "base/xen.h"
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
struct snapshots;
struct streams;
struct tail;
struct vms;
struct worker;

struct engine {
	/* the host and the settings */
	struct ev_loop *loop;
	struct xen *x;
	struct engine_conf conf;
	struct xen_host host;
	enum store_mode store; /* as it was decided */
	/* services: called by their headers */
	struct registry *registry;
	struct slots *slots;
	struct ports *ports;
	struct deaths *deaths;
	struct idle *idle;     /* NULL: the engine closes */
	struct worker *worker; /* NULL: the engine closes */
	struct opener *opener;
	struct images *images;
	struct snapshots *snapshots;
	struct tail *tail; /* NULL: off */
	/* rooms: what is in them is touched by their own files alone */
	struct vms *vms;
	struct drops *drops;   /* domain/drop.c */
	struct memory *memory; /* domain/memory.c */
	struct devices *devices;
	struct guests *guests;
	struct pool *pool;
	struct adoption *adoption; /* life/adopt.c */
	struct streams *streams;   /* life/streams.c */
	struct sleepers *sleepers; /* life/sleepers.c; NULL: there is no folder */
};

#endif
