/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices of a VM: list, attach, detach. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/libchaos/json.h"

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

void run_attach(struct rq *rq)
{
	json_error_t je;
	json_t *body = json_loadb(rq->body ? rq->body : "", rq->body_len, 0, &je);
	const char *vif = json_string_value(json_object_get(body, "vif"));
	const char *disk = json_string_value(json_object_get(body, "disk"));
	const char *set[2] = {NULL, NULL};
	struct chaos_request cr;
	char *text = NULL;

	if (json_object_size(body) != 1 || (!vif && !disk)) {
		rq_problem(rq, EINVAL,
			   "the body must be like {\"vif\":\"bridge=xenbr0\"} or "
			   "{\"disk\":\"/dev/vg/data,raw,xvdb,rw\"}");
	} else if (asprintf(&text, "%s=%s", vif ? "vif" : "disk", vif ? vif : disk) < 0) {
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

/* /devices/vif0 and /devices/xvda; ?force=1 */
void run_detach(struct rq *rq)
{
	bool vif = strncmp(rq->device, "vif", 3) == 0;
	const char *force = rq_query(rq, "force");
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_DETACH);
	cr.vm = rq->what;
	cr.kind = vif ? "vif" : "vbd";
	cr.device = rq->device + (vif ? 3 : 0);
	if (force && strcmp(force, "0") != 0 && strcmp(force, "false") != 0)
		cr.flags = CHAOS_FORCE;
	rq->on_reply = detached;
	backend_send(rq, &cr);
}
