/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the engine: each function gives or sets one. */
#include "split-toolstack/engine/parts/parts.h"

#include "split-toolstack/engine/parts/engine-t.h"

struct xen *engine_xen(struct engine *en)
{
	return en->x;
}

enum store_mode engine_store_mode(const struct engine *en)
{
	return en->store;
}

struct snapshots *engine_snapshots(struct engine *en)
{
	return en->snapshots;
}

struct ev_loop *engine_loop(const struct engine *en)
{
	return en->loop;
}

const struct engine_conf *engine_settings(const struct engine *en)
{
	return &en->conf;
}

const struct xen_host *engine_xen_host(const struct engine *en)
{
	return &en->host;
}

void engine_set_store(struct engine *en, enum store_mode mode)
{
	en->store = mode;
}

struct registry *engine_registry(const struct engine *en)
{
	return en->registry;
}

struct slots *engine_slots(const struct engine *en)
{
	return en->slots;
}

struct ports *engine_ports(const struct engine *en)
{
	return en->ports;
}

struct deaths *engine_deaths(const struct engine *en)
{
	return en->deaths;
}

struct idle *engine_idle(const struct engine *en)
{
	return en->idle;
}

struct worker *engine_worker(const struct engine *en)
{
	return en->worker;
}

struct opener *engine_opener(const struct engine *en)
{
	return en->opener;
}

struct images *engine_images(const struct engine *en)
{
	return en->images;
}

struct vms *engine_vms(const struct engine *en)
{
	return en->vms;
}

struct drops *engine_drops(const struct engine *en)
{
	return en->drops;
}

struct memory *engine_memory(const struct engine *en)
{
	return en->memory;
}

struct devices *engine_devices(const struct engine *en)
{
	return en->devices;
}

struct guests *engine_guests(const struct engine *en)
{
	return en->guests;
}

struct pool *engine_pool(const struct engine *en)
{
	return en->pool;
}

struct adoption *engine_adoption(const struct engine *en)
{
	return en->adoption;
}

struct streams *engine_streams(const struct engine *en)
{
	return en->streams;
}

struct sleepers *engine_sleepers(const struct engine *en)
{
	return en->sleepers;
}

void engine_set_vms(struct engine *en, struct vms *part)
{
	en->vms = part;
}

void engine_set_drops(struct engine *en, struct drops *part)
{
	en->drops = part;
}

void engine_set_memory(struct engine *en, struct memory *part)
{
	en->memory = part;
}

void engine_set_devices(struct engine *en, struct devices *part)
{
	en->devices = part;
}

void engine_set_guests(struct engine *en, struct guests *part)
{
	en->guests = part;
}

void engine_set_pool(struct engine *en, struct pool *part)
{
	en->pool = part;
}

void engine_set_adoption(struct engine *en, struct adoption *part)
{
	en->adoption = part;
}

void engine_set_streams(struct engine *en, struct streams *part)
{
	en->streams = part;
}

void engine_set_sleepers(struct engine *en, struct sleepers *part)
{
	en->sleepers = part;
}
