/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a shell, on the loop or on the worker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/transfer.h"
#include "base/uuid.h"
#include "libdom/share.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/guest_start.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/registry/record-t.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/worker.h"

/* A shell that is being made, on the loop or on the worker. */
struct shell_job {
	struct worker_job job;
	struct engine *en;
	struct flavor *flavor; /* NULL: ended in the meantime */
	struct dom_spec spec;
	struct shell *shell;
	struct copies *copies;	  /* it is a copy; NULL: of nothing */
	struct shell *first;	  /* of these: copies_want_template(); NULL: it is not wanted */
	struct transfer file;	  /* of these */
	uint32_t window;	  /* pages to keep mapped, without an image and for Linux */
	int image_fd, ramdisk_fd; /* -1: not needed */
	struct files *files;	  /* both, until they are open */
	int rc;
	struct err err;
};

/* The record of a shell: an intent, whose domain the next start removes. */
static int record_intent(struct engine *en, const struct shell *s, struct err *e)
{
	struct vm_config none;
	struct vm_record r = {.name = "",
			      .cfg = &none,
			      .state = VM_BUILDING,
			      .exit_code = -1,
			      .domid = slot_domid(&s->slot)};

	vm_config_init(&none);
	memcpy(r.uuid, s->uuid, sizeof(r.uuid));
	return registry_put(engine_registry(en), &r, e);
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

/* The part that takes long; thread-safe. */
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
		j->rc = guest_store_ports(x, s->dom.domid, s->img && image_info(s->img)->noxs,
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

static void build_copy(struct worker_job *job, struct xen *x)
{
	struct shell_job *j = (struct shell_job *)job;

	j->rc = x ? copies_make(j->copies, x, &j->file, j->shell, j->first, &j->err)
		  : err_set(&j->err, EAGAIN, "another handle to Xen cannot be opened");
}

static void free_job(struct shell_job *j)
{
	if (j->copies)
		transfer_close(&j->file);
	copies_put(j->copies);
	files_drop(&j->files);
	file_close(engine_opener(j->en), FILE_READ, j->image_fd);
	file_close(engine_opener(j->en), FILE_READ, j->ramdisk_fd);
	free(j);
}

/* Makes the channel, so that neither side has to bind it later. */
static int bind_channel(struct engine *en, struct shell *s, struct err *e)
{
	int rc = guest_store_ports(engine_xen(en), s->dom.domid, true, &s->guest_port,
				   &s->store_port, e);

	if (rc < 0)
		return rc;
	rc = xen_evtchn_bind(engine_xen(en), s->dom.domid, s->guest_port, &s->port);
	return rc < 0 ? err_sys(e, -rc, "bind to the event channel of domain %u", s->dom.domid) : 0;
}

/* Fills all except the uuid of the VM and the clock. */
static int connect_copy(struct shell_job *j)
{
	struct shell *s = j->shell;
	struct guest_page g = {
		.dom = &s->dom, .cfg = copies_config(j->copies), .uuid = s->uuid, .map = s->map};
	int rc = bind_channel(j->en, s, &j->err);

	g.guest_port = s->guest_port;
	return rc < 0 ? rc : guest_page_ahead(j->en, &g, &j->err);
}

/* Pages that stay mapped. */
static int map_shell(struct shell_job *j)
{
	struct engine *en = j->en;
	struct shell *s = j->shell;
	bool bare = !s->img && !j->copies;
	int rc = 0;

	if (!bare || !j->spec.for_linux)
		rc = domain_map(engine_xen(en), s->dom.domid, s->dom.dev_frame,
				s->dom.control_frame, !j->copies || copies_boot(j->copies), &s->map,
				&j->err);
	if (rc == 0 && j->copies)
		return copies_boot(j->copies) ? booted_run(en, j->flavor, s, &j->err)
					      : connect_copy(j);
	if (rc == 0 && bare && !j->spec.for_linux)
		rc = dom_window(engine_xen(en), &s->dom, WINDOW_PAGES, &j->err);
	if (rc == 0 && flavor_gates(j->flavor, s->img))
		rc = gate_run(en, j->flavor, s, &j->err);
	return rc;
}

static void shell_done(struct worker_job *job)
{
	struct shell_job *j = (struct shell_job *)job;
	struct engine *en = j->en;
	struct flavor *f = j->flavor;
	struct shell *s;

	if (j->copies)
		j->shell = copies_made(j->copies, j->shell, j->first, j->rc);
	s = j->shell;
	j->first = NULL;
	engine_pool(en)->job = NULL;
	if (j->rc == 0 && f)
		j->rc = map_shell(j);
	if (j->rc < 0 || !f) {
		if (f)
			flavor_back_off(f, &j->err);
		if (j->rc == -EEXIST) /* another domain has its id: the next try uses another one */
			slot_put_last(engine_slots(en), &s->slot);
		shell_end(en, s);
	} else {
		if (!s->booted) /* else it may fail still */
			f->backoff = 0;
		if (f->f.vifs || s->at_gate || s->booted)
			shell_connect(en, f, s);
		else
			flavor_add_shell(f, s);
	}
	free_job(j);
}

int flavor_files(struct engine *en, const struct pool_flavor *f, struct files **out, struct err *e)
{
	int rc = 0;

	*out = files_new(engine_opener(en));
	if (!*out)
		return err_set(e, ENOMEM, "out of memory");
	if (f->image)
		rc = images_add(engine_images(en), *out, f->image, "image", e);
	if (rc == 0 && f->image && f->ramdisk)
		rc = images_add(engine_images(en), *out, f->ramdisk, "ramdisk", e);
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
	j->shell->img = images_find(engine_images(en), j->image_fd);
	(void)file_key(j->ramdisk_fd, &j->shell->ramdisk);
	return 0;
}

/* Its id and uuid, as an intent. */
static int name_shell(struct engine *en, struct shell *s, bool template, struct err *e)
{
	int rc = uuid_random(s->uuid, e);

	if (template)
		share_mark(s->uuid);
	if (rc == 0)
		rc = slot_take(engine_slots(en), true, &s->slot, e);
	return rc == 0 ? record_intent(en, s, e) : rc;
}

static int name_first(struct engine *en, struct shell_job *j, struct err *e)
{
	if (!j->copies || !copies_want_template(j->copies) || !flavor_has_room(en, j->flavor))
		return 0;
	j->first = calloc(1, sizeof(*j->first));
	if (!j->first)
		return err_set(e, ENOMEM, "out of memory");
	dom_init(&j->first->dom);
	return name_shell(en, j->first, true, e);
}

static int start_shell(struct engine *en, struct flavor *f, struct shell_job *j, struct err *e)
{
	struct shell *s = j->shell;
	int rc = j->files ? take_files(en, f, j, e) : 0;

	if (rc == 0)
		rc = name_shell(en, s, false, e);
	if (rc == 0)
		rc = name_first(en, j, e);
	j->spec = (struct dom_spec){.type = f->f.type,
				    .domid = slot_domid(&s->slot),
				    .mem_kib = f->f.mem_kib,
				    .vcpus = f->f.vcpus,
				    .cap = UINT32_MAX,
				    .for_linux = f->f.for_linux,
				    .ring_pages = flavor_rings(&f->f)};
	memcpy(j->spec.uuid, s->uuid, sizeof(s->uuid));
	if (f->f.fork)
		j->spec.limits = vm_fork_limits;
	return rc;
}

/* A ramdisk is a file that may not answer. */
static bool is_short(const struct shell_job *j)
{
	const struct image_info *i = j->shell->img ? image_info(j->shell->img) : NULL;

	return j->spec.mem_kib <= INLINE_MEM_KIB && j->ramdisk_fd < 0 &&
	       (!i || (i->direct && i->end - i->start <= INLINE_IMAGE_BYTES));
}

/* Small ones are made here, large ones on the worker. */
static void make_shell(struct shell_job *j)
{
	if (j->copies) { /* out of a file */
		j->job.work = build_copy;
		worker_push(engine_worker(j->en), WORKER_STREAMS, &j->job);
		return;
	}
	if (!is_short(j)) {
		worker_push(engine_worker(j->en), WORKER_BUILDS, &j->job);
		return;
	}
	build_shell(&j->job, engine_xen(j->en));
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

	engine_pool(en)->job = NULL;
	if (j->flavor)
		flavor_back_off(j->flavor, e);
	shell_end(en, j->shell);
	if (j->first)
		shell_end(en, j->first);
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
	if (j->copies)
		j->rc = copies_open(j->copies, &j->file, &j->err);
	if (j->rc < 0) {
		shell_done(&j->job);
	} else if (j->shell->img || !j->flavor->f.image) {
		make_shell(j);
	} else if (images_read(engine_images(en), j->image_fd, j->flavor->f.image, shell_image, j,
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
				.window = images_window(engine_images(en)),
				.file = {.fd = -1, .cancel = -1},
				.image_fd = -1,
				.ramdisk_fd = -1};
	if (f->copies)
		j->copies = copies_ref(f->copies);
	dom_init(&s->dom);
	engine_pool(en)->job = j;
	if (f->f.image && flavor_files(en, &f->f, &j->files, &err) < 0)
		never_made(j, &err);
	else if (!j->files || files_open(j->files, files_are_open, j))
		files_are_open(j, j->files);
}

bool pool_makes(const struct engine *en, const uint8_t uuid[16])
{
	const struct shell_job *j = engine_pool(en)->job;

	return j && ((slot_domid(&j->shell->slot) && memcmp(j->shell->uuid, uuid, 16) == 0) ||
		     (j->first && memcmp(j->first->uuid, uuid, 16) == 0));
}

bool pool_makes_of(const struct engine *en, const struct copies *c)
{
	return engine_pool(en)->job && engine_pool(en)->job->copies == c;
}

void flavor_ends(struct engine *en, struct flavor *f)
{
	struct shell_job *j = engine_pool(en)->job;

	if (j && j->flavor == f) {
		j->flavor = NULL;
		if (j->file.cancel >= 0) /* its copy ends soon */
			transfer_cancel(&j->file);
	}
	flavor_drop_shells(en, f, 0);
	pool_connecting_ends(en, f);
	copies_end(f->copies);
	free(f->f.from);
	free(f->f.ramdisk);
	free(f->f.image);
	free(f);
}
