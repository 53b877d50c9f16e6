;; attacks = [4]
;; does = "answers, then loops for ever in cabi_post_*"
;; dies = "plugin-cpu"
;; -- on-post
(loop $l (br $l))
