/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of routes, and the operations that send one request and return its answer. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/libchaos/json.h"

/* --- answers --- */

static void answer_info(struct rq *rq, const struct chaos_reply *r)
{
	rq->json = vm_json(&r->vm);
	(void)json_object_set_new(rq->json, "devices", devices_json(r));
	rq_answer(rq, MHD_HTTP_OK);
}

static void answer_name(struct rq *rq, const struct chaos_reply *r)
{
	rq->json = json_pack("{s:o}", "name", text_json(r->vm.name));
	rq_answer(rq, MHD_HTTP_OK);
}

static void answer_nothing(struct rq *rq, const struct chaos_reply *r)
{
	(void)r;
	rq_answer(rq, MHD_HTTP_NO_CONTENT);
}

static void answer_host(struct rq *rq, const struct chaos_reply *r)
{
	rq->json = host_json(&r->host);
	rq_answer(rq, MHD_HTTP_OK);
}

/* Items one after the other into an array. */
static void collect(struct rq *rq, const struct chaos_reply *r)
{
	if (!rq->json)
		rq->json = json_array();
	if (r->last)
		rq_answer(rq, MHD_HTTP_OK);
	else if (r->has_vm)
		(void)json_array_append_new(rq->json, vm_json(&r->vm));
	else if (r->has_flavor)
		(void)json_array_append_new(rq->json, flavor_json(&r->flavor));
	else if (r->has_image)
		(void)json_array_append_new(rq->json, image_json(&r->image));
	else if (r->has_snapshot)
		(void)json_array_append_new(rq->json, snapshot_json(&r->snapshot));
}

static void collect_text(struct rq *rq, const struct chaos_reply *r)
{
	char *grown;

	if (r->last) {
		rq->text_type = "text/plain; version=0.0.4; charset=utf-8";
		rq_answer(rq, MHD_HTTP_OK);
		return;
	}
	grown = realloc(rq->text, rq->text_len + r->len);
	if (!grown)
		return;
	rq->text = grown;
	if (r->data)
		memcpy(rq->text + rq->text_len, r->data, r->len);
	rq->text_len += r->len;
}

/* --- questions --- */

static bool is_set(struct rq *rq, const char *key)
{
	const char *value = rq_query(rq, key);

	return value && strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
}

static void send_about(struct rq *rq, enum chaos_op op, uint32_t flags,
		       void (*answer)(struct rq *rq, const struct chaos_reply *r))
{
	struct chaos_request cr;

	chaos_request_init(&cr, op);
	cr.vm = rq->what[0] ? rq->what : NULL;
	cr.flags = flags;
	rq->on_reply = answer;
	backend_send(rq, &cr);
}

static void run_plain(struct rq *rq)
{
	send_about(rq, rq->route->op, rq->route->flags, rq->route->answer);
}

static void run_list(struct rq *rq)
{
	send_about(rq, CHAOS_LIST,
		   (is_set(rq, "all") ? CHAOS_ALL : 0) |
			   (is_set(rq, "foreign") ? CHAOS_FOREIGN : 0),
		   collect);
}

static void run_rename(struct rq *rq)
{
	json_error_t je;
	json_t *body = json_loadb(rq->body ? rq->body : "", rq->body_len, 0, &je);
	const char *name = json_string_value(json_object_get(body, "name"));
	struct chaos_request cr;

	if (!name) {
		rq_problem(rq, EINVAL, "the body must be like {\"name\":\"other\"}");
	} else {
		chaos_request_init(&cr, CHAOS_RENAME);
		cr.vm = rq->what;
		cr.name = name;
		rq->on_reply = answer_name;
		backend_send(rq, &cr);
	}
	json_decref(body);
}

static void answer_branched(struct rq *rq, const struct chaos_reply *r)
{
	if (!rq->json)
		rq->json = json_array();
	if (r->last)
		rq_answer(rq, MHD_HTTP_CREATED);
	else if (r->has_vm)
		(void)json_array_append_new(rq->json, vm_json(&r->vm));
}

static void run_branch(struct rq *rq)
{
	json_error_t je;
	json_t *body = json_loadb(rq->body ? rq->body : "", rq->body_len, 0, &je);
	const json_t *name = json_object_get(body, "name");
	const json_t *count = json_object_get(body, "count");
	struct chaos_request cr;

	if ((rq->body_len && !json_is_object(body)) || (name && !json_is_string(name)) ||
	    (count && (json_integer_value(count) < 1 || json_integer_value(count) > UINT32_MAX))) {
		rq_problem(rq, EINVAL, "the body must be like {\"name\":\"copy\",\"count\":2}");
	} else {
		chaos_request_init(&cr, CHAOS_BRANCH);
		cr.flags = json_is_true(json_object_get(body, "paused")) ? CHAOS_PAUSED : 0;
		if (!rq_disks(rq, &cr.flags)) {
			json_decref(body);
			return;
		}
		cr.vm = rq->what;
		cr.name = json_string_value(name);
		cr.count = (uint32_t)json_integer_value(count);
		rq->on_reply = answer_branched;
		backend_stream(rq, &cr);
	}
	json_decref(body);
}

static void run_rollback(struct rq *rq)
{
	json_error_t je;
	json_t *body = json_loadb(rq->body ? rq->body : "", rq->body_len, 0, &je);
	const json_t *name = json_object_get(body, "snapshot");
	struct chaos_request cr;

	if ((rq->body_len && !json_is_object(body)) || (name && !json_is_string(name))) {
		rq_problem(rq, EINVAL, "the body must be like {\"snapshot\":\"name\"}");
	} else {
		chaos_request_init(&cr, CHAOS_ROLLBACK);
		if (!rq_disks(rq, &cr.flags)) {
			json_decref(body);
			return;
		}
		cr.vm = rq->what;
		cr.name = json_string_value(name);
		rq->on_reply = answer_name;
		backend_send(rq, &cr);
	}
	json_decref(body);
}

static void run_openapi(struct rq *rq)
{
	rq->text = malloc(openapi_len);
	if (!rq->text) {
		rq_problem(rq, ENOMEM, "out of memory");
		return;
	}
	memcpy(rq->text, openapi_json, openapi_len);
	rq->text_len = openapi_len;
	rq_answer(rq, MHD_HTTP_OK);
}

/* --- pool --- */

static void answer_pool(struct rq *rq, const struct chaos_reply *r)
{
	(void)r;
	send_about(rq, CHAOS_POOL, 0, collect);
}

/* {"type":"pv","memory":4,"low":2,"high":8} as the words that "chaos pool set" takes. */
static int pool_words(json_t *body, char *to, size_t room)
{
	const char *key;
	json_t *v;
	size_t n = 0;

	json_object_foreach(body, key, v)
	{
		int w;

		if (strpbrk(key, " ,\t=") ||
		    (json_is_string(v) && strpbrk(json_string_value(v), " ,\t")))
			return -EINVAL;
		if (json_is_string(v))
			w = snprintf(to + n, room - n, "%s%s=%s", n ? " " : "", key,
				     json_string_value(v));
		else if (json_is_integer(v))
			w = snprintf(to + n, room - n, "%s%s=%lld", n ? " " : "", key,
				     (long long)json_integer_value(v));
		else
			return -EINVAL;
		if (w < 0 || (size_t)w >= room - n)
			return -EINVAL;
		n += (size_t)w;
	}
	return n ? 0 : -EINVAL;
}

static void run_pool_set(struct rq *rq)
{
	json_error_t je;
	json_t *body = json_loadb(rq->body ? rq->body : "", rq->body_len, 0, &je);
	struct chaos_request cr;
	char text[2048];

	if (pool_words(body, text, sizeof(text)) < 0) {
		rq_problem(rq, EINVAL,
			   "the body must be like {\"type\":\"pv\",\"memory\":4,\"low\":2,"
			   "\"high\":8}");
	} else {
		chaos_request_init(&cr, CHAOS_POOL_SET);
		cr.text = text;
		rq->on_reply = answer_pool;
		backend_send(rq, &cr);
	}
	json_decref(body);
}

/* --- images --- */

/* One of the list. */
static void pick_image(struct rq *rq, const struct chaos_reply *r)
{
	if (r->has_image && strcmp(r->image.name, rq->what) == 0)
		rq->json = image_json(&r->image);
	if (!r->last)
		return;
	if (rq->json)
		rq_answer(rq, MHD_HTTP_OK);
	else
		rq_problem(rq, ENOENT, "no image \"%s\"", rq->what);
}

static void run_image(struct rq *rq)
{
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_IMAGES);
	rq->on_reply = pick_image;
	backend_send(rq, &cr);
}

static void answer_image(struct rq *rq, const struct chaos_reply *r)
{
	rq->json = image_json(&r->image);
	rq_answer(rq, MHD_HTTP_CREATED);
}

static void run_image_put(struct rq *rq)
{
	struct chaos_request cr;

	if (rq->upload < 0) {
		rq_problem(rq, EINVAL, "the body must be the image file");
		return;
	}
	chaos_request_init(&cr, CHAOS_IMAGE_IMPORT);
	cr.name = rq->what;
	cr.kernel_fd = rq->upload;
	rq->on_reply = answer_image;
	backend_send(rq, &cr);
}

static void run_image_rm(struct rq *rq)
{
	struct chaos_request cr;

	chaos_request_init(&cr, CHAOS_IMAGE_RM);
	cr.name = rq->what;
	rq->on_reply = answer_nothing;
	backend_send(rq, &cr);
}

const struct route routes[] = {
	{"GET", "/v1/host", run_plain, CHAOS_HOST, 0, answer_host},
	{"GET", "/v1/vms", run_list},
	{"POST", "/v1/vms", run_create},
	{"GET", "/v1/vms/{}", run_plain, CHAOS_INFO, 0, answer_info},
	{"PATCH", "/v1/vms/{}", run_set, .answer = answer_name},
	{"DELETE", "/v1/vms/{}", run_plain, CHAOS_RM, CHAOS_FORCE, answer_nothing},
	{"POST", "/v1/vms/{}/pause", run_plain, CHAOS_PAUSE, 0, answer_name},
	{"POST", "/v1/vms/{}/unpause", run_plain, CHAOS_UNPAUSE, 0, answer_name},
	{"POST", "/v1/vms/{}/shutdown", run_plain, CHAOS_SHUTDOWN, 0, answer_name},
	{"POST", "/v1/vms/{}/reboot", run_plain, CHAOS_REBOOT, 0, answer_name},
	{"POST", "/v1/vms/{}/destroy", run_plain, CHAOS_DESTROY, 0, answer_name},
	{"POST", "/v1/vms/{}/rename", run_rename},
	{"POST", "/v1/vms/{}/save", run_save},
	{"POST", "/v1/restore", run_restore, .upload = true},
	{"POST", "/v1/vms/{}/sleep", run_plain, CHAOS_SLEEP, 0, answer_name},
	{"POST", "/v1/vms/{}/wake", run_wake},
	{"POST", "/v1/vms/{}/migrate", run_migrate},
	{"POST", "/v1/vms/{}/branch", run_branch},
	{"POST", "/v1/vms/{}/rollback", run_rollback},
	{"GET", "/v1/vms/{}/devices", run_devices},
	{"POST", "/v1/vms/{}/devices", run_attach},
	{"DELETE", "/v1/vms/{}/devices/{}", run_detach},
	{"GET", "/v1/vms/{}/wait", run_wait},
	{"GET", "/v1/vms/{}/console", run_console},
	{"POST", "/v1/vms/{}/console", run_console_input},
	{"GET", "/v1/pool", run_plain, CHAOS_POOL, 0, collect},
	{"PUT", "/v1/pool", run_pool_set},
	{"GET", "/v1/images", run_plain, CHAOS_IMAGES, 0, collect},
	{"GET", "/v1/images/{}", run_image},
	{"PUT", "/v1/images/{}", run_image_put, .upload = true},
	{"DELETE", "/v1/images/{}", run_image_rm},
	{"POST", "/v1/vms/{}/snapshot", run_snapshot},
	{"GET", "/v1/snapshots", run_plain, CHAOS_SNAPSHOTS, 0, collect},
	{"PUT", "/v1/snapshots/{}", run_snapshot_unpack, .upload = true},
	{"DELETE", "/v1/snapshots/{}", run_snapshot_rm},
	{"GET", "/v1/snapshots/{}/file", run_snapshot_pack},
	{"POST", "/v1/snapshots/{}/vms", run_create_from},
	{"GET", "/v1/events", run_events},
	{"GET", "/metrics", run_plain, CHAOS_METRICS, 0, collect_text},
	{"GET", "/openapi.json", run_openapi},
};
const size_t nroute = sizeof(routes) / sizeof(routes[0]);
