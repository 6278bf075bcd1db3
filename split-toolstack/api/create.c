/* SPDX-License-Identifier: BSD-3-Clause */
/* POST /v1/vms: converts a JSON object into keys of chaos.cfg(5). */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/libchaos/device.h"
#include "split-toolstack/libchaos/json.h"

#define KEYS_MAX 64u

/* What chaos_request takes, owned. */
struct body {
	char *set[KEYS_MAX + 1];
	size_t nset;
	const char *ignore[KEYS_MAX + 1];
	size_t nignore;
	const char *config;
	uint32_t flags;
};

/* `text`: "key=value", malloced; NULL: there is none. */
static bool add_text(struct body *b, char *text)
{
	if (text && b->nset < KEYS_MAX) {
		b->set[b->nset++] = text;
		return true;
	}
	free(text);
	return false;
}

static bool add(struct body *b, const char *key, const char *value)
{
	char *text;

	return asprintf(&text, "%s=%s", key, value) >= 0 && add_text(b, text);
}

/* Text or a number. */
static bool add_json(struct body *b, const char *key, const json_t *value)
{
	return add_text(b, setting_text(key, value));
}

/* A text for each vCPU. */
static int take_cpus(struct body *b, json_t *list)
{
	char text[4096] = "";
	size_t used = 0;
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		int len = -1;

		if (json_is_string(v))
			len = snprintf(text + used, sizeof(text) - used, "%s;",
				       json_string_value(v));
		else if (json_is_integer(v))
			len = snprintf(text + used, sizeof(text) - used, "%lld;",
				       (long long)json_integer_value(v));
		if (len < 0 || (size_t)len >= sizeof(text) - used)
			return -EINVAL;
		used += (size_t)len;
	}
	return used == 0 || add(b, "cpus", text) ? 0 : -EINVAL;
}

static int take_lists(struct body *b, const char *key, json_t *value)
{
	const char *k;
	json_t *v;
	size_t i;

	if (strcmp(key, "set") == 0 && json_is_object(value)) {
		json_object_foreach(value, k, v)
		{
			if ((!json_is_string(v) && !json_is_integer(v)) || !add_json(b, k, v))
				return -EINVAL;
		}
		return 0;
	}
	if (device_by_word(key)) {
		if (json_is_string(value))
			return add_json(b, key, value) ? 0 : -EINVAL;
		json_array_foreach(value, i, v)
		{
			if (!json_is_string(v) || !add_json(b, key, v))
				return -EINVAL;
		}
		return json_is_array(value) ? 0 : -EINVAL;
	}
	if (strcmp(key, "cpus") == 0 && json_is_array(value))
		return take_cpus(b, value);
	if (strcmp(key, "ignore") == 0 && json_is_array(value)) {
		json_array_foreach(value, i, v)
		{
			if (!json_is_string(v) || b->nignore == KEYS_MAX)
				return -EINVAL;
			b->ignore[b->nignore++] = json_string_value(v);
		}
		return 0;
	}
	return -EINVAL;
}

/* 0, or -EINVAL: the key or value is not valid. */
static int take_key(struct body *b, const char *key, json_t *value)
{
	static const char *const plain[] = {"name",
					    "type",
					    "kernel",
					    "ramdisk",
					    "memory",
					    "maxmem",
					    "vcpus",
					    "maxvcpus",
					    "cmdline",
					    "on_poweroff",
					    "on_reboot",
					    "on_crash",
					    "cpus",
					    "cpu_weight",
					    "cap",
					    "max_grant_frames",
					    "max_maptrack_frames",
					    "max_grant_version",
					    "max_event_channels",
					    "fork",
					    "fork_depth"};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strcmp(key, plain[i]) == 0 && !json_is_array(value))
			return (json_is_string(value) || json_is_integer(value)) &&
					       add_json(b, key, value)
				       ? 0
				       : -EINVAL;
	if (strcmp(key, "id") == 0 && json_is_string(value)) {
		b->flags |= CHAOS_SAME;
		return add(b, "uuid", json_string_value(value)) ? 0 : -EINVAL;
	}
	if (strcmp(key, "config") == 0 && json_is_string(value)) {
		b->config = json_string_value(value);
		return 0;
	}
	if (strcmp(key, "paused") == 0 && json_is_boolean(value)) {
		b->flags |= json_is_true(value) ? CHAOS_PAUSED : 0;
		return 0;
	}
	if (strcmp(key, "xl") == 0 && json_is_boolean(value)) {
		b->flags |= json_is_true(value) ? CHAOS_XL : 0;
		return 0;
	}
	if (strcmp(key, "wait_devices") == 0 && json_is_boolean(value)) {
		b->flags |= json_is_true(value) ? 0 : CHAOS_NO_WAIT_DEVICES;
		return 0;
	}
	if (strcmp(key, "wait") == 0 && json_is_string(value)) {
		if (strcmp(json_string_value(value), "ready") == 0)
			b->flags |= CHAOS_READY;
		else if (strcmp(json_string_value(value), "started") != 0)
			return -EINVAL;
		return 0;
	}
	return take_lists(b, key, value);
}

static void created(struct rq *rq, const struct chaos_reply *r)
{
	rq_keep_warning(rq, r);
	if (!r->last)
		return;
	if (r->has_vm) {
		json_t *j = vm_json(&r->vm);

		(void)json_object_set_new(j, "way", text_json(r->way));
		(void)json_object_set_new(j, "why", text_json(r->why));
		if (rq->json)
			(void)json_object_set_new(j, "warnings", rq->json);
		rq->json = j;
		(void)snprintf(rq->location, sizeof(rq->location), "/v1/vms/%s", r->vm.uuid);
	}
	rq_answer(rq, strcmp(r->way, "same") == 0 ? MHD_HTTP_OK : MHD_HTTP_CREATED);
}

void run_create(struct rq *rq)
{
	struct chaos_request cr;
	struct body b = {0};
	json_error_t je;
	json_t *body =
		json_loadb(rq->body ? rq->body : "", rq->body_len, JSON_REJECT_DUPLICATES, &je);
	const char *key;
	json_t *value;
	int rc = 0;

	if (!json_is_object(body)) {
		rq_problem(rq, EINVAL, "the body must be a JSON object: %s",
			   body ? "it is another JSON value" : je.text);
		json_decref(body);
		return;
	}
	json_object_foreach(body, key, value)
	{
		rc = take_key(&b, key, value);
		if (rc < 0) {
			rq_problem(rq, EINVAL,
				   "\"%s\": not a key of a VM, or not with this kind of value; "
				   "/openapi.json lists them",
				   key);
			break;
		}
	}
	if (rc == 0) {
		chaos_request_init(&cr, CHAOS_CREATE);
		cr.flags = b.flags;
		cr.config = b.config;
		cr.config_name = b.config ? "config" : NULL;
		cr.set = (const char *const *)b.set;
		cr.ignore = b.ignore;
		rq->on_reply = created;
		backend_send(rq, &cr);
	}
	for (size_t i = 0; i < b.nset; i++)
		free(b.set[i]);
	json_decref(body);
}
