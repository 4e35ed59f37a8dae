"""Folders of images as people have them, one sub-folder a class, as arrays.

`tree` lists and opens what lies in a folder or a zip file, `layout` says which files are images of which
class and part, `decode` makes an array of one file, `load` does all of it and tells what it left out.
"""
