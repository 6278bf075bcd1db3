/* SPDX-License-Identifier: BSD-3-Clause */
/* Making a shell, on the loop or on the worker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/uuid.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/registry/record-t.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/worker.h"

/* One shell on its way, on the loop or on the worker. */
struct shell_job {
	struct worker_job job;
	struct engine *en;
	struct flavor *flavor; /* NULL: ended in the meantime */
	struct dom_spec spec;
	struct shell *shell;
	uint32_t window;	  /* pages to keep mapped, without an image and for Linux */
	int image_fd, ramdisk_fd; /* -1: not needed */
	struct files *files;	  /* both, until they are open */
	int rc;
	struct err err;
};

/* What is recorded of a shell: an intent, which the next start removes with its domain. */
static int record_intent(struct engine *en, const struct shell *s, struct err *e)
{
	struct vm_config none;
	struct vm_record r = {.name = "",
			      .cfg = &none,
			      .state = VM_BUILDING,
			      .exit_code = -1,
			      .domid = s->slot.domid};

	vm_config_init(&none);
	memcpy(r.uuid, s->uuid, sizeof(r.uuid));
	return registry_put(en->registry, &r, e);
}

int flavor_check_image(const struct image *img, struct err *e)
{
	const struct image_info *i = image_info(img);

	if (i->direct || i->builder == IMAGE_LINUX)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "image \"%s\": only images with a noxs entry, and Linux, can be pooled",
		       i->name);
}

/* The long part; thread-safe. */
static void build_shell(struct worker_job *job, struct xen *x)
{
	struct shell_job *j = (struct shell_job *)job;
	struct dom_module ramdisk = {j->ramdisk_fd, "ramdisk"};
	struct dom_load load = {.cmdline = "",
				.module = &ramdisk,
				.nmodule = j->ramdisk_fd >= 0,
				.cmdline_room = VM_CMDLINE_MAX + 1};
	struct shell *s = j->shell;

	j->rc = dom_prepare(x, &j->spec, s->img, &s->dom, &j->err);
	if (j->rc == 0 && (s->img ? !image_info(s->img)->direct : j->spec.for_linux)) {
		j->rc = view_ports(x, s->dom.domid, s->img && image_info(s->img)->noxs,
				   &s->guest_port, &s->store_port, &j->err);
		load.console_port = s->guest_port;
		load.store_port = s->store_port;
	}
	if (j->rc == 0 && !s->img && j->spec.for_linux)
		j->rc = dom_window(x, &s->dom, j->window, &j->err);
	if (j->rc == 0 && s->img)
		j->rc = dom_load(x, &s->dom, s->img, &load, &j->err);
	if (j->rc == 0 && s->img)
		j->rc = dom_arm(x, &s->dom, s->img, &j->err);
}

static void free_job(struct shell_job *j)
{
	files_drop(&j->files);
	file_close(j->en->opener, FILE_READ, j->image_fd);
	file_close(j->en->opener, FILE_READ, j->ramdisk_fd);
	free(j);
}

static void shell_done(struct worker_job *job)
{
	struct shell_job *j = (struct shell_job *)job;
	struct engine *en = j->en;
	struct flavor *f = j->flavor;
	struct shell *s = j->shell;

	en->pool->job = NULL;
	if (j->rc == 0 && (s->img || !j->spec.for_linux))
		j->rc = domain_map(en->x, s->dom.domid, s->dom.dev_frame, s->dom.control_frame,
				   true, &s->map, &j->err);
	if (j->rc == 0 && !s->img && !j->spec.for_linux)
		j->rc = dom_window(en->x, &s->dom, WINDOW_PAGES, &j->err);
	if (j->rc < 0 || !f) {
		if (f)
			flavor_back_off(f, &j->err);
		if (j->rc ==
		    -EEXIST) /* another domain has its id: the next try takes another one */
			slot_put_last(en->slots, &s->slot);
		shell_end(en, s);
	} else {
		f->backoff = 0;
		if (f->f.vifs)
			shell_connect(en, f, s);
		else
			flavor_add_shell(f, s);
	}
	free_job(j);
}

int flavor_files(struct engine *en, const struct pool_flavor *f, struct files **out, struct err *e)
{
	int rc = 0;

	*out = files_new(en->opener);
	if (!*out)
		return err_set(e, ENOMEM, "out of memory");
	if (f->image)
		rc = images_add(en->images, *out, f->image, "image", e);
	if (rc == 0 && f->image && f->ramdisk)
		rc = images_add(en->images, *out, f->ramdisk, "ramdisk", e);
	if (rc < 0)
		files_drop(out);
	return rc;
}

/* The files of a warm flavor, as they are now. */
static int take_files(struct engine *en, const struct flavor *f, struct shell_job *j, struct err *e)
{
	int rc = files_take(j->files, "image", f->f.image, &j->image_fd, e);

	if (rc == 0)
		rc = files_take(j->files, "ramdisk", f->f.ramdisk, &j->ramdisk_fd, e);
	if (rc < 0)
		return rc;
	j->shell->img = images_find(en->images, j->image_fd);
	(void)file_key(j->ramdisk_fd, &j->shell->ramdisk);
	return 0;
}

static int start_shell(struct engine *en, struct flavor *f, struct shell_job *j, struct err *e)
{
	struct shell *s = j->shell;
	int rc = j->files ? take_files(en, f, j, e) : 0;

	if (rc == 0)
		rc = uuid_random(s->uuid, e);
	if (rc == 0)
		rc = slot_take(en->slots, true, &s->slot, e);
	if (rc == 0)
		rc = record_intent(en, s, e);
	j->spec = (struct dom_spec){.type = f->f.type,
				    .domid = s->slot.domid,
				    .mem_kib = f->f.mem_kib,
				    .vcpus = f->f.vcpus,
				    .cap = UINT32_MAX,
				    .for_linux = f->f.for_linux,
				    .ring_pages = flavor_rings(&f->f)};
	memcpy(j->spec.uuid, s->uuid, sizeof(s->uuid));
	return rc;
}

/* A ramdisk is a file, which may not answer. */
static bool is_short(const struct shell_job *j)
{
	const struct image_info *i = j->shell->img ? image_info(j->shell->img) : NULL;

	return j->spec.mem_kib <= INLINE_MEM_KIB && j->ramdisk_fd < 0 &&
	       (!i || (i->direct && i->end - i->start <= INLINE_IMAGE_BYTES));
}

/* Small ones here, large ones on the worker. */
static void make_shell(struct shell_job *j)
{
	if (!is_short(j)) {
		worker_push(j->en->worker, WORKER_BUILDS, &j->job);
		return;
	}
	build_shell(&j->job, j->en->x);
	shell_done(&j->job);
}

static void shell_image(void *arg, struct image *img, int rc, const struct err *e)
{
	struct shell_job *j = arg;

	j->shell->img = img;
	j->rc = rc;
	j->err = *e;
	if (rc == 0)
		j->rc = flavor_check_image(img, &j->err);
	if (j->rc == 0 && j->flavor)
		make_shell(j);
	else
		shell_done(&j->job);
}

static void never_made(struct shell_job *j, const struct err *e)
{
	struct engine *en = j->en;

	en->pool->job = NULL;
	if (j->flavor)
		flavor_back_off(j->flavor, e);
	shell_end(en, j->shell);
	free_job(j);
}

static void files_are_open(void *arg, struct files *f)
{
	struct shell_job *j = arg;
	struct engine *en = j->en;
	struct err err = {0};

	(void)f;
	if (!j->flavor || start_shell(en, j->flavor, j, &err) < 0) {
		never_made(j, &err);
		return;
	}
	if (j->shell->img || !j->flavor->f.image) {
		make_shell(j);
	} else if (images_read(en->images, j->image_fd, j->flavor->f.image, shell_image, j,
			       &j->err) < 0) {
		j->rc = -j->err.code;
		shell_done(&j->job);
	}
}

/* One at a time. */
void pool_make_shell(struct engine *en, struct flavor *f)
{
	struct shell_job *j = calloc(1, sizeof(*j));
	struct shell *s = calloc(1, sizeof(*s));
	struct err err = {0};

	if (!j || !s) {
		(void)err_set(&err, ENOMEM, "out of memory");
		flavor_back_off(f, &err);
		free(j);
		free(s);
		return;
	}
	*j = (struct shell_job){.job = {.work = build_shell, .done = shell_done},
				.en = en,
				.flavor = f,
				.shell = s,
				.window = images_window(en->images),
				.image_fd = -1,
				.ramdisk_fd = -1};
	dom_init(&s->dom);
	en->pool->job = j;
	if (f->f.image && flavor_files(en, &f->f, &j->files, &err) < 0)
		never_made(j, &err);
	else if (!j->files || files_open(j->files, files_are_open, j))
		files_are_open(j, j->files);
}

bool pool_makes(const struct engine *en, const uint8_t uuid[16])
{
	return en->pool->job && en->pool->job->shell->slot.domid &&
	       memcmp(en->pool->job->shell->uuid, uuid, 16) == 0;
}

void flavor_ends(struct engine *en, struct flavor *f)
{
	if (en->pool->job && en->pool->job->flavor == f)
		en->pool->job->flavor = NULL;
	flavor_drop_shells(en, f, 0);
	pool_connecting_ends(en, f);
	free(f->f.ramdisk);
	free(f->f.image);
	free(f);
}
