/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices of a VM: list, attach, detach. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/libchaos/device.h"

json_t *devices_json(const struct chaos_reply *r)
{
	static struct chaos_device d; /* large */
	json_t *list = json_array();

	for (uint32_t i = 0; chaos_device(r, i, &d) == 0; i++)
		(void)json_array_append_new(list, device_json(&d));
	return list;
}

static void collect(struct rq *rq, const struct chaos_reply *r)
{
	json_t *list = devices_json(r);

	if (!rq->json)
		rq->json = json_array();
	(void)json_array_extend(rq->json, list);
	json_decref(list);
	if (r->last)
		rq_answer(rq, MHD_HTTP_OK);
}

void run_devices(struct rq *rq)
{
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_DEVICES);
	cr.vm = rq->what;
	rq->on_reply = collect;
	backend_send(rq, &cr);
}

/* --- attach --- */

static void attached(struct rq *rq, const struct chaos_reply *r)
{
	json_t *list;
	json_t *j;

	rq_keep_warning(rq, r);
	if (!r->last)
		return;
	list = devices_json(r);
	j = json_incref(json_array_get(list, 0));
	json_decref(list);
	if (rq->json)
		(void)json_object_set_new(j, "warnings", rq->json);
	rq->json = j;
	rq_answer(rq, MHD_HTTP_CREATED);
}

/* "{"vif":"bridge=xenbr0"} or ...", as JSON. */
static void print_examples(char *to, size_t room)
{
	size_t n = 0;

	to[0] = '\0';
	for (const struct device_words *k = device_words; k->kind && n < room; k++)
		n += (size_t)snprintf(to + n, room - n, "%s{\"%s\":\"%s\"}",
				      k == device_words ? "" : " or ", k->word, k->example);
}

void run_attach(struct rq *rq)
{
	json_error_t je;
	json_t *body = json_loadb(rq->body ? rq->body : "", rq->body_len, 0, &je);
	void *member = json_object_iter(body);
	const char *word = member ? json_object_iter_key(member) : NULL;
	const char *value = json_string_value(json_object_iter_value(member));
	const char *set[2] = {NULL, NULL};
	struct chaos_request cr;
	char examples[256];
	char *text = NULL;

	if (json_object_size(body) != 1 || !device_by_word(word) || !value) {
		print_examples(examples, sizeof(examples));
		rq_problem(rq, EINVAL, "the body must be like %s", examples);
	} else if (asprintf(&text, "%s=%s", word, value) < 0) {
		text = NULL;
		rq_problem(rq, ENOMEM, "out of memory");
	} else {
		chaos_request_init(&cr, CHAOS_ATTACH);
		cr.vm = rq->what;
		set[0] = text;
		cr.set = set;
		rq->on_reply = attached;
		backend_send(rq, &cr);
	}
	free(text);
	json_decref(body);
}

/* --- detach --- */

static void detached(struct rq *rq, const struct chaos_reply *r)
{
	(void)r;
	rq_answer(rq, MHD_HTTP_NO_CONTENT);
}

/* The kind whose prefix the address has; otherwise the one without a prefix. */
static const struct device_words *by_address(const char *device)
{
	const struct device_words *plain = device_words;

	for (const struct device_words *k = device_words; k->kind; k++) {
		if (!k->prefix[0])
			plain = k;
		else if (strncmp(device, k->prefix, strlen(k->prefix)) == 0)
			return k;
	}
	return plain;
}

/* /devices/vif0 and /devices/xvda; ?force=1 */
void run_detach(struct rq *rq)
{
	const struct device_words *k = by_address(rq->device);
	const char *force = rq_query(rq, "force");
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_DETACH);
	cr.vm = rq->what;
	cr.kind = k->kind;
	cr.device = rq->device + strlen(k->prefix);
	if (force && strcmp(force, "0") != 0 && strcmp(force, "false") != 0)
		cr.flags = CHAOS_FORCE;
	rq->on_reply = detached;
	backend_send(rq, &cr);
}
